import { encodeBase64, encodeBase64Url } from '@margo-trust/bytes';
import { coseKeyThumbprint } from '@margo-trust/cose';
import { parsePublicKey } from '@margo-trust/crypto';
import { encodeVerifierKey, verifierKeyFromSpki } from '@margo-trust/tlog';
import { wireTime } from '../wire-time.ts';
import type { LogRecord } from './governance/logs.reader.ts';
import type { LogKey } from './keys/log-key.ts';
import { ed25519Raw, type LogIdentity } from './log-identity.ts';

/** What a client must know of the log before it can read its files: the text of log.json. */
export function describeLog(identity: LogIdentity, life: LogRecord | undefined): string {
  const { origin, issuer, governance, checkpointKeys, witnessPolicy, keySet } = identity;
  const newestFirst = (keys: readonly LogKey[]) => [...keys].reverse();
  const ended = life?.frozenAt && { at: wireTime(life.frozenAt), size: life.size };
  const describeWindow = ({ fromSize, untilSize = ended && ended.size + 1n }: LogKey): object => ({
    fromSize: fromSize.toString(),
    ...(untilSize !== undefined && { untilSize: untilSize.toString() }),
  });
  const describeKey = (key: LogKey): object => {
    const { name, publicKey, type } = verifierKeyFromSpki(origin, key.spki);
    return {
      key: encodeVerifierKey(name, publicKey, type),
      ...describeWindow(key),
      ...(key.eventIndex !== undefined && { event: key.eventIndex.toString() }),
      ...(key.transition && { transition: encodeBase64(key.transition) }),
    };
  };
  const mlDsa44Keys = keySet.of('checkpoint-ml-dsa-44');
  return JSON.stringify({
    origin,
    issuer,
    ...(governance !== undefined && { governance }),
    leafFormat: 'cose-digest',
    checkpointKey: encodeVerifierKey(origin, ed25519Raw(keySet.current('checkpoint').spki)),
    checkpointKeys: checkpointKeys.map(({ name, publicKey, type }) => encodeVerifierKey(name, publicKey, type)),
    ...(witnessPolicy !== undefined && { witnessPolicy }),
    sctKey: encodeBase64(keySet.current('sct').spki),
    receiptKeys: newestFirst(keySet.of('receipt')).map((key) => ({
      kid: encodeBase64Url(coseKeyThumbprint(parsePublicKey(key.spki))),
      spki: encodeBase64(key.spki),
      issuer,
      ...describeWindow(key),
    })),
    checkpointHistory: keySet.of('checkpoint').map(describeKey),
    ...(mlDsa44Keys.length > 0 && { mlDsa44History: mlDsa44Keys.map(describeKey) }),
    ...(ended && { frozen: { at: ended.at, size: ended.size.toString() } }),
    ...(life?.retiredAt && { retired: { at: wireTime(life.retiredAt) } }),
    minimumIndex: '0',
    retention: 'Entries and full tiles are kept for ever. Where a partial tile is gone, its full one is there.',
  });
}
