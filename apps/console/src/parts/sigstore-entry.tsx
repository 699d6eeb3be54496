import type { LogEntryDetail } from '@margo-trust/wire';
import { encodeBase64Url, encodeHex, parseBase64 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { KEY_KINDS, parseHashedRekord, type HashedRekord } from '@margo-trust/sigstore';
import { parseCertificate } from '@margo-trust/x509';
import { Facts } from './facts.tsx';
import { Failed } from './notice.tsx';

/** What a Sigstore tool logged: that a certificate's key has signed something with this digest, and not what. */
export function SigstoreEntry({ entry, leaf }: { entry: LogEntryDetail; leaf: string }) {
  const read = readLeaf(entry, parseBase64(leaf));
  if (typeof read === 'string') return <Failed title="The registry’s answer does not fit" message={read} />;
  const { digest, keyDetails, certificate } = read;
  const { digest: hash } = KEY_KINDS[keyDetails];
  return (
    <>
      <section aria-labelledby="said">
        <h2 id="said">What was logged</h2>
        <p>
          A Sigstore tool, such as cosign, logged a signature. The log holds the digest of what was signed and the
          certificate; whoever has the signed artifact verifies it with the tool that made it.
        </p>
        <Facts
          items={[
            {
              label: 'Digest',
              value: `${hash === 'SHA2_256' ? 'sha256' : 'sha384'}:${encodeHex(digest)}`,
              isOpaque: true,
            },
            { label: 'Certificate of', value: parseCertificate(certificate).uriSans.join(' ') },
            { label: 'Fingerprint', value: encodeHex(sha256(certificate)), isOpaque: true },
            { label: 'EntryID', value: entry.entryId, isOpaque: true },
          ]}
        />
      </section>
      <section aria-labelledby="evidence">
        <h2 id="evidence">The evidence as files</h2>
        <ul class="links">
          <li>
            <a href={`/entries/${entry.entryId}/statement`}>Entry</a> (JSON)
          </li>
          <li>
            <a href={`/entries/${entry.entryId}`}>Receipt</a> (COSE)
          </li>
          <li>
            <a href={`/entries/${entry.entryId}/proof`}>Proof with checkpoint</a> (tlog-proof)
          </li>
        </ul>
      </section>
    </>
  );
}

/** The entry, or what is wrong with it: it must be what its EntryID is the digest of. */
function readLeaf({ entryId }: LogEntryDetail, leaf: Uint8Array): HashedRekord | string {
  if (encodeBase64Url(sha256(leaf)) !== entryId)
    return 'The entry hashes to another EntryID than the one it is filed under.';
  try {
    return parseHashedRekord(leaf);
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}
