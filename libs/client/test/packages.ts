/** A small Margo application in a layout: package, Compose Archive, one image of its own and one of somebody else. */
import { gzipSync } from 'node:zlib';
import { encodeUtf8 } from '@margo-trust/bytes';
import { encodeTar, MEDIA } from '@margo-trust/margo';
import { describe, type Descriptor, type OciTarget } from '@margo-trust/oci';

export const PUMP = 'registry.example/acme/pump-compose:1.0.0';
export const OWN_IMAGE = 'registry.example/acme/pump:1.0.0';
export const OTHER_IMAGE = 'docker.io/library/redis:7';

const DESCRIPTION = `apiVersion: margo.org/v1-alpha1
kind: ApplicationDescription
id: com-example-pump
metadata:
  name: Pump
  version: 1.0.0
  catalog:
    organization:
      - name: Acme
deploymentProfiles:
  - type: compose
    id: pump
    components:
      - name: pump-compose
        properties:
          repository: oci://registry.example/acme/pump-compose
          revision: 1.0.0
`;

const COMPOSE = `services:
  pump: { image: "${OWN_IMAGE}" }
  cache: { image: "redis:7" }
  lost: { image: "registry.example/acme/lost:1" }
`;

export async function packPump(place: OciTarget): Promise<Descriptor> {
  const image = async (reference: string): Promise<void> => {
    const config = await blob(
      place,
      MEDIA.imageConfig,
      encodeUtf8(`{"os":"linux","architecture":"amd64","n":"${reference}"}`),
    );
    const manifest = await store(place, { mediaType: MEDIA.manifest, config, layers: [] }, { nested: true });
    const platform = { os: 'linux', architecture: 'amd64' };
    await store(place, { mediaType: MEDIA.index, manifests: [{ ...bare(manifest), platform }] }, { tag: reference });
  };
  await image(OWN_IMAGE);
  await image(OTHER_IMAGE);

  const tar = encodeTar([{ path: 'pump-compose/compose.yaml', content: encodeUtf8(COMPOSE) }]);
  const empty = await blob(place, MEDIA.empty, encodeUtf8('{}'));
  const archive = await blob(place, MEDIA.composeLayer, new Uint8Array(gzipSync(tar)));
  await store(
    place,
    { mediaType: MEDIA.manifest, artifactType: MEDIA.compose, config: empty, layers: [archive] },
    { tag: PUMP },
  );
  const description = await blob(place, MEDIA.appDescription, encodeUtf8(DESCRIPTION));
  return store(
    place,
    { mediaType: MEDIA.manifest, artifactType: MEDIA.app, config: empty, layers: [description] },
    { tag: '1.0.0' },
  );
}

async function store(
  place: OciTarget,
  manifest: object,
  options: { tag?: string; nested?: boolean },
): Promise<Descriptor> {
  return place.writeManifest(encodeUtf8(JSON.stringify({ schemaVersion: 2, ...manifest })), options);
}

async function blob(place: OciTarget, mediaType: string, data: Uint8Array): Promise<Descriptor> {
  const descriptor = describe(data, mediaType);
  await place.writeBlob(descriptor, data);
  return descriptor;
}

function bare({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}
