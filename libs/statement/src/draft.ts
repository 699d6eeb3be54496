import { encodeUtf8 } from '@margo-trust/bytes';
import { CborTag, encodeCbor, type CborMap, type CborValue } from '@margo-trust/cbor';
import { coseAlgorithmId, encodeCoseSign1, parseCoseSign1, toBeSigned } from '@margo-trust/cose';
import { sha256, type SignatureAlgorithm } from '@margo-trust/crypto';
import { CLAIM, CONTENT, LABEL, SHA_256, SIGNING_SCHEME } from './labels.ts';
import { encodeTargetArtifact, type TargetArtifact } from './artifact.ts';

/** A statement that waits for its signature: sign `toBeSigned` with `algorithm` (ECDSA as raw r‖s), then {@link finishStatement}. */
export interface Draft {
  readonly algorithm: SignatureAlgorithm;
  readonly protectedBytes: Uint8Array;
  readonly payload: Uint8Array;
  readonly toBeSigned: Uint8Array;
}

/** What may be added to a statement without touching its signature. */
export interface Attachments {
  /** Leaf first, complete to the self-signed root: `notation` refuses less. */
  readonly chain?: readonly Uint8Array[];
  readonly timestampToken?: Uint8Array;
  readonly receipts?: readonly Uint8Array[];
  /** `name/version` of the signing software. */
  readonly agent?: string;
}

/**
 * Drafts an artifact signature: one COSE_Sign1 that the Notary Project reads as its signature envelope and SCITT as a
 * Signed Statement (signing profile, "The envelope"). `subject` is `oci:<short media type name>:<digest>`.
 */
export function draftArtifactStatement(parts: {
  algorithm: SignatureAlgorithm;
  issuer: string;
  subject: string;
  target: TargetArtifact;
  signingTime: Date;
  leafDer: Uint8Array;
}): Draft {
  const seconds = Math.floor(parts.signingTime.getTime() / 1000);
  const header = new Map<CborValue, CborValue>([
    [LABEL.critical, [LABEL.signingScheme]],
    [LABEL.contentType, CONTENT.artifact],
    [LABEL.cwtClaims, claims(parts.issuer, parts.subject, parts.signingTime)],
    [LABEL.x5t, [SHA_256, sha256(parts.leafDer)]],
    [LABEL.signingScheme, SIGNING_SCHEME],
    // notation refuses anything but a tag 1 integer or float here
    [LABEL.signingTime, new CborTag(1, seconds)],
  ]);
  return draft(parts.algorithm, header, encodeTargetArtifact(parts.target));
}

/** Drafts any other statement; the issuer is known by its certificate (`leafDer`) or by its key (`kid`). No `crit`. */
export function draftStatement(parts: {
  algorithm: SignatureAlgorithm;
  issuer: string;
  subject: string;
  contentType: string;
  payload: Uint8Array;
  issuedAt: Date;
  signer: { readonly leafDer: Uint8Array } | { readonly kid: Uint8Array };
}): Draft {
  const header = new Map<CborValue, CborValue>([
    [LABEL.contentType, parts.contentType],
    [LABEL.cwtClaims, claims(parts.issuer, parts.subject, parts.issuedAt)],
  ]);
  if ('leafDer' in parts.signer) header.set(LABEL.x5t, [SHA_256, sha256(parts.signer.leafDer)]);
  else header.set(LABEL.kid, parts.signer.kid);
  return draft(parts.algorithm, header, parts.payload);
}

/** Puts signature and attachments to a draft. */
export function finishStatement(drafted: Draft, signature: Uint8Array, attachments: Attachments = {}): Uint8Array {
  return encodeCoseSign1({
    protectedBytes: drafted.protectedBytes,
    unprotectedHeader: withAttachments(new Map(), attachments),
    payload: drafted.payload,
    signature,
  });
}

/** Replaces attachments of an existing statement; those not named stay. The EntryID does not change. */
export function attachToStatement(statement: Uint8Array, attachments: Attachments): Uint8Array {
  const cose = parseCoseSign1(statement);
  return encodeCoseSign1({ ...cose, unprotectedHeader: withAttachments(cose.unprotectedHeader, attachments) });
}

function draft(algorithm: SignatureAlgorithm, header: Map<CborValue, CborValue>, payload: Uint8Array): Draft {
  header.set(LABEL.algorithm, coseAlgorithmId(algorithm));
  const protectedBytes = encodeCbor(header);
  return { algorithm, protectedBytes, payload, toBeSigned: toBeSigned(protectedBytes, payload) };
}

function claims(issuer: string, subject: string, issuedAt: Date): CborMap {
  return new Map<CborValue, CborValue>([
    [CLAIM.issuer, issuer],
    [CLAIM.subject, subject],
    [CLAIM.issuedAt, Math.floor(issuedAt.getTime() / 1000)],
  ]);
}

function withAttachments(header: CborMap, { chain, timestampToken, receipts, agent }: Attachments): CborMap {
  const result = new Map(header);
  if (chain) result.set(LABEL.x5chain, chain.length === 1 ? chain[0] : [...chain]);
  if (timestampToken) result.set(LABEL.timestampToken, timestampToken);
  if (receipts?.length) result.set(LABEL.receipts, [...receipts]);
  if (agent !== undefined) result.set(LABEL.signingAgent, agent);
  return result;
}

/** The canonical bytes of a JSON payload that this project writes: members in the order given, no white space. */
export function encodeJsonPayload(value: object): Uint8Array {
  return encodeUtf8(JSON.stringify(value));
}
