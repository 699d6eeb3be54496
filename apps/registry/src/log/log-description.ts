import { encodeBase64, encodeBase64Url } from '@margo-trust/bytes';
import { encodeVerifierKey } from '@margo-trust/tlog';
import { ed25519Raw, type LogIdentity } from './log-identity.ts';

/** What a client must know of the log before it can read its files: the text of log.json. */
export function describeLog({ origin, issuer, checkpoint, receipt, sct }: LogIdentity): string {
  return JSON.stringify({
    origin,
    issuer,
    leafFormat: 'cose-digest',
    checkpointKey: encodeVerifierKey(origin, ed25519Raw(checkpoint.spki)),
    sctKey: encodeBase64(sct.spki),
    receiptKeys: [{ kid: encodeBase64Url(receipt.kid), spki: encodeBase64(receipt.signer.spki), issuer }],
    retention: 'Entries and full tiles are kept for ever. Where a partial tile is gone, its full one is there.',
  });
}
