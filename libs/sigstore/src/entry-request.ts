import { concatBytes, encodeUtf8, parseJson } from '@margo-trust/bytes';
import { SigstoreFault } from './fault.ts';
import { MAX_CERTIFICATE_BYTES, MAX_SIGNATURE_BYTES, readKeyDetails, type HashedRekord } from './hashed-rekord.ts';
import { KEY_KINDS } from './key-details.ts';
import { ProtoJson } from './proto-json.ts';

/** Largest request, in bytes: an in-toto statement may come along, and is hashed and forgotten. */
export const MAX_REQUEST_BYTES = 1 << 20;

/**
 * What a client asks Rekor v2 to log (`POST /api/v2/log/entries`), in either form. `hashedRekordRequestV002` has a digest;
 * `dsseRequestV002` the envelope, of which the digest of the pre-authentication encoding is kept: as Rekor itself does now,
 * and as cosign looks for it. The request comes from anybody; nothing is verified but its shape.
 *
 * Throws `sigstore/no-certificate` for a bare key, `sigstore/unsupported` for other kinds of keys or entries, else
 * `sigstore/bad-request` or a fault of `parseJson`.
 */
export function parseEntryRequest(bytes: Uint8Array): HashedRekord {
  const request = new ProtoJson(parseJson(bytes, { maxBytes: MAX_REQUEST_BYTES, maxDepth: 16 }), 'request');
  const hashed = request.find('hashedRekordRequestV002');
  const dsse = request.find('dsseRequestV002');
  if (hashed && dsse) throw request.refuse('has more than one entry');
  if (hashed) return readHashedRekord(hashed);
  if (dsse) return readDsse(dsse);
  throw new SigstoreFault('sigstore/unsupported', 'Send a hashedRekordRequestV002 or a dsseRequestV002.');
}

/** What a DSSE signature is over (DSSE v1 protocol, "PAE"). */
export function encodePae(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = encodeUtf8(payloadType);
  return concatBytes(encodeUtf8(`DSSEv1 ${type.length} `), type, encodeUtf8(` ${payload.length} `), payload);
}

function readHashedRekord(request: ProtoJson): HashedRekord {
  const signature = request.get('signature');
  const { keyDetails, certificate } = readVerifier(signature.get('verifier'));
  const digest = request.get('digest').bytes(64);
  if (digest.length !== KEY_KINDS[keyDetails].digestBytes) throw request.refuse('has a digest of another length');
  return { keyDetails, digest, certificate, signature: signature.get('content').bytes(MAX_SIGNATURE_BYTES) };
}

function readDsse(request: ProtoJson): HashedRekord {
  const envelope = request.get('envelope');
  const { keyDetails, certificate } = readVerifier(request.get('verifiers').only());
  const payload = envelope.find('payload')?.bytes(MAX_REQUEST_BYTES) ?? new Uint8Array();
  const digest = KEY_KINDS[keyDetails].hash(encodePae(envelope.get('payloadType').text(255), payload));
  const signature = envelope.get('signatures').only().get('sig').bytes(MAX_SIGNATURE_BYTES);
  return { keyDetails, digest, certificate, signature };
}

function readVerifier(verifier: ProtoJson): Pick<HashedRekord, 'keyDetails' | 'certificate'> {
  const certificate = verifier.find('x509Certificate');
  if (!certificate) {
    throw new SigstoreFault(
      'sigstore/no-certificate',
      'Send the vendor’s certificate as x509Certificate: what a key signs without one is nobody’s here.',
    );
  }
  return {
    keyDetails: readKeyDetails(verifier),
    certificate: certificate.get('rawBytes').bytes(MAX_CERTIFICATE_BYTES),
  };
}
