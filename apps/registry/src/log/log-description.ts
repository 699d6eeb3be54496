import { encodeBase64, encodeBase64Url } from '@margo-trust/bytes';
import { encodeVerifierKey } from '@margo-trust/tlog';
import { ed25519Raw, type LogIdentity } from './log-identity.ts';

/** What a client must know of the log before it can read its files: the text of log.json. */
export function describeLog(identity: LogIdentity): string {
  const { origin, issuer, checkpoint, checkpointKeys, receipt, sct, witnessPolicy } = identity;
  return JSON.stringify({
    origin,
    issuer,
    leafFormat: 'cose-digest',
    checkpointKey: encodeVerifierKey(origin, ed25519Raw(checkpoint.spki)),
    checkpointKeys: checkpointKeys.map(({ name, publicKey, type }) => encodeVerifierKey(name, publicKey, type)),
    ...(witnessPolicy !== undefined && { witnessPolicy }),
    sctKey: encodeBase64(sct.spki),
    receiptKeys: [{ kid: encodeBase64Url(receipt.kid), spki: encodeBase64(receipt.signer.spki), issuer }],
    minimumIndex: '0',
    retention: 'Entries and full tiles are kept for ever. Where a partial tile is gone, its full one is there.',
  });
}
