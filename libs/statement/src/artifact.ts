import { encodeUtf8, parseJson } from '@margo-trust/bytes';
import { CborFloat, CborTag } from '@margo-trust/cbor';
import { StatementFault } from './fault.ts';
import { CONTENT, LABEL, SIGNING_SCHEME } from './labels.ts';
import { isReference } from './text.ts';
import { readTime, type Statement } from './statement.ts';

/** What an artifact signature is about: an OCI descriptor. `size` in bytes. */
export interface TargetArtifact {
  readonly mediaType: string;
  /** `sha256:<64 lower-case hex>`. */
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An artifact signature in the Notary Project's reading. */
export interface ArtifactSignature {
  readonly target: TargetArtifact;
  /** What the signer says the time was: shown, never trusted. */
  readonly signingTime: Date;
  /** The signer's own limit; a signature past it is refused by policy `expiry`. */
  readonly expiry?: Date;
}

/** The annotation by which a signer says where the artifact was resolved from. */
export const REFERENCE_ANNOTATION = 'org.margo.trust.reference';

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** True for the text form of a digest that this profile admits. */
export function isDigest(value: unknown): value is string {
  return typeof value === 'string' && DIGEST.test(value);
}

/**
 * Reads a statement as an artifact signature and holds it to the profile: Notary payload type, signing scheme
 * `notary.x509` marked critical, signing time as tag 1, expiry only if critical and after the signing time.
 */
export function parseArtifactSignature(statement: Statement): ArtifactSignature {
  const header = statement.cose.protectedHeader;
  const critical = header.get(LABEL.critical);
  const criticalLabels = Array.isArray(critical) ? critical : [];
  if (statement.contentType !== CONTENT.artifact) refuse(`The content type must be ${CONTENT.artifact}.`);
  if (header.get(LABEL.signingScheme) !== SIGNING_SCHEME) refuse(`The signing scheme must be ${SIGNING_SCHEME}.`);
  if (!criticalLabels.includes(LABEL.signingScheme)) refuse('The signing scheme must be listed in crit.');
  const signingTime = readNotaryTime(header.get(LABEL.signingTime), 'signing time');
  const rawExpiry = header.get(LABEL.expiry);
  if (rawExpiry === undefined) return { target: parseTargetArtifact(statement.payload), signingTime };

  if (!criticalLabels.includes(LABEL.expiry)) refuse('The expiry must be listed in crit.');
  const expiry = readNotaryTime(rawExpiry, 'expiry');
  if (expiry <= signingTime) refuse('The expiry must lie after the signing time.');
  return { target: parseTargetArtifact(statement.payload), signingTime, expiry };
}

/** Reads `{"targetArtifact":{…}}`; further members are allowed and ignored, as `notation` does. */
export function parseTargetArtifact(payload: Uint8Array): TargetArtifact {
  const outer = parseJson(payload, { maxBytes: 65536, maxDepth: 8 });
  const target = isObject(outer) ? outer['targetArtifact'] : undefined;
  if (!isObject(target)) throw new StatementFault('statement/bad-target', 'The payload holds no targetArtifact.');
  const { mediaType, digest, size, annotations } = target;
  if (typeof mediaType !== 'string' || !/^[\w.+-]+\/[\w.+-]+$/.test(mediaType)) bad('mediaType must be a media type');
  if (!isDigest(digest)) bad('digest must be sha256:<64 hex>');
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) bad('size must be a number of bytes');
  if (annotations === undefined) return { mediaType, digest, size };
  if (!isStringMap(annotations)) bad('annotations must map texts to texts');
  const reference = annotations[REFERENCE_ANNOTATION];
  if (reference !== undefined && !isReference(reference)) bad(`${REFERENCE_ANNOTATION} must be an OCI reference`);
  return { mediaType, digest, size, annotations };
}

/** The payload of an artifact signature. */
export function encodeTargetArtifact({ mediaType, digest, size, annotations }: TargetArtifact): Uint8Array {
  return encodeUtf8(
    JSON.stringify({ targetArtifact: { mediaType, digest, size, ...(annotations && { annotations }) } }),
  );
}

function readNotaryTime(value: unknown, what: string): Date {
  const isTagged = value instanceof CborTag && value.tag === 1;
  if (!isTagged || !(typeof value.value === 'number' || value.value instanceof CborFloat)) {
    refuse(`The ${what} must be a CBOR time (tag 1).`);
  }
  const time = readTime(value);
  if (time === undefined) refuse(`The ${what} is missing.`);
  return time;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isStringMap(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((text) => typeof text === 'string');
}

function refuse(message: string): never {
  throw new StatementFault('statement/not-artifact-profile', message);
}

function bad(message: string): never {
  throw new StatementFault('statement/bad-target', `In targetArtifact, ${message}.`);
}
