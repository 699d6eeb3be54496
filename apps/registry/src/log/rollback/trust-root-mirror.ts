import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { metadataPath, parseSnapshot, parseTargets, parseTimestamp, targetPath } from '@margo-trust/tuf';
import { parseCheckpoint, parseNote, verifyLogNote } from '@margo-trust/tlog';
import { Config } from '../../config.ts';
import type { HighWater, SeenHead } from './high-water.ts';
import { LogKeys } from '../keys/log-keys.ts';
import { LogIdentity } from '../log-identity.ts';

const MAX_BYTES = 5_000_000;

/**
 * The checkpoint in the trust root that devices fetch, read where the operator says that a copy of it lies: outside this
 * database. Signatures of TUF roles are not looked at, for nothing is trusted but the checkpoint, which our own key must have
 * signed; a mirror that is old or lies can only have seen less.
 */
@Injectable()
export class TrustRootMirror implements HighWater {
  readonly name = "the trust root's mirror";

  constructor(
    private readonly config: Config,
    private readonly identity: LogIdentity,
    private readonly keys: LogKeys,
  ) {}

  /** Undefined without `TRUST_ROOT_MIRROR_URL`. Throws when there is one that cannot be read, or shows another log. */
  async load(): Promise<SeenHead | undefined> {
    const base = this.config.trustRootMirrorUrl;
    if (base === undefined) return undefined;
    const load = (path: string) => download(`${base}/${path}`);
    const timestamp = parseTimestamp(await load('timestamp.json'));
    const { version } = timestamp.signed.meta['snapshot.json'];
    const snapshot = parseSnapshot(await load(metadataPath('snapshot', version)));
    const live = snapshot.signed.meta['live.json'];
    if (live === undefined) return undefined;
    const targets = parseTargets(await load(metadataPath('live', live.version)));
    const target = targets.signed.targets['live.checkpoint'];
    if (target === undefined) return undefined;
    const bytes = await load(targetPath('live.checkpoint', target));
    if (encodeHex(sha256(bytes)) !== target.hashes.sha256) throw new Error('The mirror shows another file.');

    const note = parseNote(bytes);
    await this.keys.cover(parseCheckpoint(note.text));
    const { size, root } = verifyLogNote(note, this.identity.checkpointWindows);
    return { size, root };
  }
}

async function download(url: string): Promise<Uint8Array> {
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(2_000) });
  if (!response.ok || !response.body) throw new Error(`The mirror answered ${response.status}.`);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > MAX_BYTES) throw new Error('The mirror sends more than any file of a trust root has.');
    parts.push(part);
  }
  return Uint8Array.from(Buffer.concat(parts));
}
