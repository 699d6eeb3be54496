import { areEqualBytes, encodeBase64, parseJson } from '@margo-trust/bytes';
import { encodeCanonicalJson } from './canonical-json.ts';
import { SigstoreFault } from './fault.ts';
import { isKeyDetails, KEY_KINDS, type KeyDetails } from './key-details.ts';
import { ProtoJson } from './proto-json.ts';

/** That a certificate's key has signed something with this digest: hashedrekord 0.0.2 of Rekor v2. */
export interface HashedRekord {
  readonly keyDetails: KeyDetails;
  /** Of what was signed, by the hash that goes with the key. */
  readonly digest: Uint8Array;
  /** DER of the ECDSA signature. */
  readonly signature: Uint8Array;
  /** DER. */
  readonly certificate: Uint8Array;
}

/** What the log calls the content of such an entry; Sigstore has no media type for it. */
export const HASHED_REKORD_TYPE = 'application/vnd.dev.sigstore.rekor.hashedrekord.v0.0.2+json';

/** The bytes of a leaf: clients rebuild them from what they hold, so every one counts. A kilobyte or two. */
export function encodeHashedRekord({ keyDetails, digest, signature, certificate }: HashedRekord): Uint8Array {
  return encodeCanonicalJson({
    apiVersion: '0.0.2',
    kind: 'hashedrekord',
    spec: {
      hashedRekordV002: {
        data: { algorithm: KEY_KINDS[keyDetails].digest, digest: encodeBase64(digest) },
        signature: {
          content: encodeBase64(signature),
          verifier: { keyDetails, x509Certificate: { rawBytes: encodeBase64(certificate) } },
        },
      },
    },
  });
}

/**
 * Reads a leaf back. Accepts exactly what {@link encodeHashedRekord} writes; everything else is `sigstore/bad-request`, or
 * `sigstore/unsupported` for another kind of key. The signature is not verified.
 */
export function parseHashedRekord(leaf: Uint8Array): HashedRekord {
  const body = new ProtoJson(parseJson(leaf, { maxBytes: MAX_LEAF_BYTES, maxDepth: 8 }), 'entry');
  const spec = body.get('spec').get('hashedRekordV002');
  const verifier = spec.get('signature').get('verifier');
  const keyDetails = readKeyDetails(verifier);
  const entry = {
    keyDetails,
    digest: spec.get('data').get('digest').bytes(64),
    signature: spec.get('signature').get('content').bytes(MAX_SIGNATURE_BYTES),
    certificate: verifier.get('x509Certificate').get('rawBytes').bytes(MAX_CERTIFICATE_BYTES),
  };
  if (areEqualBytes(encodeHashedRekord(entry), leaf)) return entry;
  throw new SigstoreFault('sigstore/bad-request', 'The entry is not a hashedrekord 0.0.2 in canonical form.');
}

/** The kind of key that a `verifier` says it is. */
export function readKeyDetails(verifier: ProtoJson): KeyDetails {
  const name = verifier.get('keyDetails').text(100);
  if (isKeyDetails(name)) return name;
  const known = Object.keys(KEY_KINDS).join(' and ');
  throw new SigstoreFault('sigstore/unsupported', `Keys of kind ${known} are taken, not this one.`);
}

/** An entry bundle has no more for one leaf (C2SP tlog-tiles). */
export const MAX_LEAF_BYTES = 65_535;
export const MAX_CERTIFICATE_BYTES = 16_384;
export const MAX_SIGNATURE_BYTES = 256;
