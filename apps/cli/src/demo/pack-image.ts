import { createHash } from 'node:crypto';
import { encodeUtf8 } from '@margo-trust/bytes';
import { encodeTar, MEDIA } from '@margo-trust/margo';
import type { Descriptor, OciLayout } from '@margo-trust/oci';
import { encodeGzip } from './archive.ts';
import { writeArtifact } from './artifact.ts';

/**
 * A multi-platform image under its full reference. It stands in for the real one, whose name it bears: its only file says
 * so, and it has nothing to run.
 */
export async function packImage(layout: OciLayout, reference: string): Promise<Descriptor> {
  const manifests = [];
  for (const architecture of ['amd64', 'arm64']) {
    const text = `This stands in for ${reference} on linux/${architecture} in a demonstration of signing. It does not run.\n`;
    const layer = encodeTar([{ path: 'DEMO', content: encodeUtf8(text) }]);
    const config = {
      created: EPOCH,
      architecture,
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [`sha256:${createHash('sha256').update(layer).digest('hex')}`] },
      history: [{ created: EPOCH, created_by: 'margo-trust demo' }],
    };
    const { mediaType, digest, size } = await writeArtifact(
      layout,
      {
        config: { mediaType: MEDIA.imageConfig, data: encodeUtf8(JSON.stringify(config)) },
        layers: [{ mediaType: MEDIA.imageLayer, data: encodeGzip(layer) }],
      },
      { nested: true },
    );
    manifests.push({ mediaType, digest, size, platform: { os: 'linux', architecture } });
  }
  const index = { schemaVersion: 2, mediaType: MEDIA.index, manifests };
  return layout.writeManifest(encodeUtf8(JSON.stringify(index)), { tag: reference });
}

const EPOCH = '1970-01-01T00:00:00Z';
