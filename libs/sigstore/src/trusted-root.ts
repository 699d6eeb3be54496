import { concatBytes, encodeBase64, parseHex } from '@margo-trust/bytes';
import { sha256, type PublicKey } from '@margo-trust/crypto';
import { verifierKeyId, type VerifierKey } from '@margo-trust/tlog';

/** Signatures with a time outside this window do not count. */
export interface Window {
  readonly validFrom: Date;
  readonly validUntil?: Date;
}

export interface TrustedAuthority extends Window {
  /** For people. */
  readonly organization: string;
  readonly commonName: string;
  /** DER, each signed by the next, up to the root. A time-stamping authority's begins with its own certificate. */
  readonly chain: readonly Uint8Array[];
}

export interface TrustedTlog extends Window {
  /** Ed25519; their name is the origin of the checkpoints, a bare host name. */
  readonly checkpointKeys: readonly VerifierKey[];
  /** P-256: what the SCTs in certificates verify with, until they were replaced. */
  readonly sctKeys: readonly { readonly key: PublicKey; readonly until?: Date }[];
}

export interface SigstoreTrust {
  /** `https://<domain>`. */
  readonly registry: string;
  readonly logs: readonly TrustedTlog[];
  readonly certificateAuthorities: readonly TrustedAuthority[];
  readonly timestampAuthorities: readonly TrustedAuthority[];
}

/** `trusted_root.json`: what cosign and its relatives verify with (`--trusted-root`). */
export function describeTrustedRoot(trust: SigstoreTrust): object {
  const authority = ({ organization, commonName, chain, ...window }: TrustedAuthority) => ({
    subject: { organization, commonName },
    uri: trust.registry,
    certChain: { certificates: chain.map((der) => ({ rawBytes: encodeBase64(der) })) },
    validFor: describeWindow(window),
  });
  return {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: trust.logs.flatMap((log) => log.checkpointKeys.map((key) => describeTlog(key, log))),
    certificateAuthorities: trust.certificateAuthorities.map(authority),
    ctlogs: trust.logs.flatMap(describeCtlogs),
    timestampAuthorities: trust.timestampAuthorities.map(authority),
  };
}

/**
 * The log's id in Sigstore's documents: the whole id of its checkpoint key. Clients match it or its first four bytes, which are
 * the key hash of the note.
 */
export function sigstoreLogId({ name, publicKey, type }: VerifierKey): Uint8Array {
  return verifierKeyId(name, publicKey, type);
}

/** The host of `baseUrl` is all that clients take from it: the origin that a checkpoint must have. */
function describeTlog(checkpointKey: VerifierKey, window: Window): object {
  const logId = { keyId: encodeBase64(sigstoreLogId(checkpointKey)) };
  return {
    baseUrl: `https://${checkpointKey.name}`,
    hashAlgorithm: 'SHA2_256',
    publicKey: {
      rawBytes: encodeBase64(concatBytes(ED25519_SPKI, checkpointKey.publicKey)),
      keyDetails: 'PKIX_ED25519',
      validFor: describeWindow(window),
    },
    logId,
    checkpointKeyId: logId,
  };
}

function describeCtlogs({ checkpointKeys, sctKeys, validFrom }: TrustedTlog): object[] {
  return sctKeys.map(({ key, until }) => ({
    baseUrl: `https://${checkpointKeys[0]?.name ?? ''}`,
    hashAlgorithm: 'SHA2_256',
    publicKey: {
      rawBytes: encodeBase64(key.spki),
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
      validFor: describeWindow({ validFrom, ...(until && { validUntil: until }) }),
    },
    logId: { keyId: encodeBase64(sha256(key.spki)) },
  }));
}

export function describeWindow({ validFrom, validUntil }: Window): object {
  return { start: validFrom.toISOString(), ...(validUntil && { end: validUntil.toISOString() }) };
}

/** SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410 §4). */
const ED25519_SPKI = parseHex('302a300506032b6570032100');
