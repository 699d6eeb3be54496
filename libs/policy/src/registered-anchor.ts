import { areEqualBytes, encodeBase64, encodeHex, parseBase64, parseJson } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { isClaimedApplication, isClaimedReference, type Claims } from '@margo-trust/statement';
import { parseCertificate, type AnchorPurpose, type Certificate } from '@margo-trust/x509';
import { AnchorFault } from './fault.ts';
import { matchesSubject, SUBJECT_ATTRIBUTES, type SubjectPattern } from './subject-pattern.ts';

export const ANCHOR_PURPOSES: readonly AnchorPurpose[] = ['artifact-signing', 'timestamping', 'device-idevid'];

/** What an anchor is believed for. A key serves one purpose. */
export interface AnchorTerms {
  readonly purpose: AnchorPurpose;
  /** At most the vendor's own; empty unless the purpose is `artifact-signing`. */
  readonly claims: Claims;
  readonly subject: SubjectPattern;
  /** Half open, in whole seconds: signatures with trusted time from `validFrom` on and before `validUntil` count. */
  readonly validFrom: Date;
  readonly validUntil: Date;
}

/** A CA or a signing certificate of a vendor's own, which counts for that vendor and within its terms. */
export interface RegisteredAnchor extends AnchorTerms {
  readonly vendorId: string;
  /** The vendor as `iss` of its statements. */
  readonly vendorUri: string;
  readonly certificate: Certificate;
}

/** The record `anchor-registered` (docs/formats.md, "Records"). `at` is when it was decided. */
export function describeAnchor(anchor: RegisteredAnchor, { at, approvals }: { at: Date; approvals: number }): object {
  const { vendorId, vendorUri, certificate, purpose, claims, subject, validFrom, validUntil } = anchor;
  return {
    record: 'anchor-registered',
    at: text(at),
    vendor: vendorId,
    uri: vendorUri,
    purpose,
    fingerprint: certificate.fingerprint,
    certificate: encodeBase64(certificate.der),
    claims: {
      applicationIdPrefixes: [...claims.applicationIdPrefixes],
      ociNamespaces: [...claims.ociNamespaces],
    },
    subject: Object.fromEntries(
      PATTERN_MEMBERS.flatMap((name) => (subject[name] === undefined ? [] : [[name, subject[name]]])),
    ),
    validFrom: text(validFrom),
    validUntil: text(validUntil),
    approvals,
  };
}

/**
 * Reads the payload of a record `anchor-registered`, of 256 KiB at most. Strict: what cannot be read as a whole grants
 * nothing. Who signed it, whether it is logged and whether it was rightly decided is for the caller to judge.
 */
export function parseAnchorRecord(payload: Uint8Array): { anchor: RegisteredAnchor; approvals: number } {
  const record = object(parseJson(payload, { maxBytes: 1 << 18, maxDepth: 8 }), 'record');
  if (record['record'] !== 'anchor-registered') throw malformed('It is no record of an anchor.');
  const purpose = ANCHOR_PURPOSES.find((known) => known === record['purpose']);
  if (purpose === undefined) throw malformed('The purpose is unknown.');
  const certificate = parseCertificate(parseBase64(string(record['certificate'], 'certificate')));
  if (record['fingerprint'] !== encodeHex(sha256(certificate.der))) {
    throw malformed('The fingerprint is not that of the certificate.');
  }
  const claims = object(record['claims'], 'claims');
  const { approvals } = record;
  if (typeof approvals !== 'number') throw malformed('The number of approvals is missing.');
  const anchor = {
    vendorId: string(record['vendor'], 'vendor'),
    vendorUri: string(record['uri'], 'uri'),
    purpose,
    certificate,
    claims: {
      applicationIdPrefixes: strings(claims['applicationIdPrefixes'], 'applicationIdPrefixes'),
      ociNamespaces: strings(claims['ociNamespaces'], 'ociNamespaces'),
    },
    subject: readPattern(object(record['subject'], 'subject')),
    validFrom: time(record['validFrom'], 'validFrom'),
    validUntil: time(record['validUntil'], 'validUntil'),
  };
  return { anchor, approvals };
}

/**
 * The registered anchor that a verified path, leaf first, counts by at that time; `undefined` when the path ends at none of
 * `anchors`, and so at one that is believed without terms. Where several registrations are of the same certificate, one that
 * fits will do; when none does, the Fault says what is wrong with the first.
 *
 * Admission, replay and the verdict ask this one function. Claims are left to the caller, which knows what was signed.
 */
export function judgeAnchor(
  path: readonly Certificate[],
  anchors: readonly RegisteredAnchor[],
  at: Date,
): RegisteredAnchor | undefined {
  const [leaf, last] = [path[0], path.at(-1)];
  if (leaf === undefined || last === undefined) throw new Error('A verified path has no leaf.');
  const ending = anchors.filter(({ certificate }) => areEqualBytes(certificate.der, last.der));
  const refusals = ending.map((anchor) => refuse(anchor, leaf, at));
  const fitting = ending.find((_, i) => refusals[i] === undefined);
  if (fitting !== undefined || ending.length === 0) return fitting;
  throw refusals[0] as AnchorFault;
}

/** The claims that hold for what is signed under an anchor: never more than either grants. */
export function claimsUnder(anchor: AnchorTerms | undefined, granted: Claims): Claims {
  if (anchor === undefined) return granted;
  const { applicationIdPrefixes, ociNamespaces } = anchor.claims;
  return {
    applicationIdPrefixes: applicationIdPrefixes.filter((prefix) => isClaimedApplication(prefix, granted)),
    ociNamespaces: ociNamespaces.filter((namespace) => isClaimedReference(namespace, granted)),
  };
}

function refuse(anchor: RegisteredAnchor, leaf: Certificate, at: Date): AnchorFault | undefined {
  const { subject, validFrom, validUntil, vendorUri } = anchor;
  if (!(validFrom <= at && at < validUntil)) {
    return new AnchorFault(
      'anchor/outside-window',
      `The vendor's CA counts from ${text(validFrom)} until ${text(validUntil)}, and not at ${text(at)}.`,
    );
  }
  if (!matchesSubject(subject, leaf) || leaf.uriSans.some((uri) => isOtherVendor(uri, vendorUri))) {
    return new AnchorFault(
      'anchor/subject-mismatch',
      `${leaf.subjectText} is not what the vendor's CA was registered for.`,
    );
  }
  return undefined;
}

/** Whether a URI has the form of a vendor's, of the same registry, and is another's. */
function isOtherVendor(uri: string, vendorUri: string): boolean {
  const suffix = vendorUri.slice(vendorUri.indexOf('.'));
  return uri !== vendorUri && uri.endsWith(suffix);
}

const PATTERN_MEMBERS: readonly (keyof SubjectPattern)[] = [
  ...(Object.keys(SUBJECT_ATTRIBUTES) as (keyof typeof SUBJECT_ATTRIBUTES)[]),
  'uri',
  'dns',
];
const MAX_LIST = 1_000;
const MAX_TEXT = 1 << 17;

/** A member that is not known would ask for something that is not looked at. */
function readPattern(members: Readonly<Record<string, unknown>>): SubjectPattern {
  const stranger = Object.keys(members).find((name) => !PATTERN_MEMBERS.some((known) => known === name));
  if (stranger !== undefined) throw malformed(`The subject pattern asks for "${stranger}", which is unknown.`);
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [name, string(value, name)]));
}

function object(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw malformed(`"${name}" is no object.`);
}

function string(value: unknown, name: string): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= MAX_TEXT) return value;
  throw malformed(`"${name}" is no text.`);
}

function strings(value: unknown, name: string): string[] {
  if (!Array.isArray(value) || value.length > MAX_LIST) throw malformed(`"${name}" is no list.`);
  return value.map((item: unknown) => string(item, name));
}

function time(value: unknown, name: string): Date {
  const parsed = new Date(string(value, name));
  if (Number.isNaN(parsed.getTime()) || text(parsed) !== value) throw malformed(`"${name}" is no time.`);
  return parsed;
}

/** `YYYY-MM-DDTHH:MM:SSZ`, rounded down. */
function text(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

function malformed(message: string): AnchorFault {
  return new AnchorFault('anchor/malformed', message);
}
