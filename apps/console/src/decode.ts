import { parseJson } from '@margo-trust/bytes';
import { HASHED_REKORD_TYPE } from '@margo-trust/sigstore';
import {
  CONTENT,
  parseArtifactSignature,
  parseRelease,
  type Release,
  type Statement,
  type TargetArtifact,
} from '@margo-trust/statement';
import type { Certificate } from '@margo-trust/x509';
import { labelWords, listWords, plural, shortened } from './words.ts';

/** What a statement says, read from its payload. */
export type Said =
  | { kind: 'artifact'; target: TargetArtifact; signingTime: Date; expiry?: Date }
  | { kind: 'release'; release: Release }
  | { kind: 'record'; record: string; at?: Date; members: Member[] }
  | { kind: 'policy' | 'anchors'; members: Member[] }
  | { kind: 'unknown'; why: string };

export type StatementKind = Said['kind'];

/** What an entry is, by what every listing has: a statement of some kind, or what a Sigstore tool logged. */
export type EntryKind = StatementKind | 'sigstore';

/** One leaf of a JSON payload: where it stands, and its text. */
export interface Member {
  label: string;
  value: string;
  /** A digest, fingerprint, certificate or the like: to be copied rather than read. */
  isOpaque: boolean;
}

/**
 * Reads the payload by the content type. Bytes that do not fit their content type are not an error of the page: the entry is
 * in the log all the same, and the answer says why it cannot be shown.
 */
export function decodeStatement(statement: Statement): Said {
  try {
    switch (statement.contentType) {
      case CONTENT.artifact:
        return { kind: 'artifact', ...parseArtifactSignature(statement) };
      case CONTENT.release:
        return { kind: 'release', release: parseRelease(statement.payload) };
      case CONTENT.record:
        return decodeRecord(parseJson(statement.payload));
      case CONTENT.policy:
        return { kind: 'policy', members: flatten(parseJson(statement.payload)) };
      case CONTENT.anchors:
        return { kind: 'anchors', members: flatten(parseJson(statement.payload)) };
      default:
        return { kind: 'unknown', why: `This page does not know the content type ${statement.contentType}.` };
    }
  } catch (error) {
    return { kind: 'unknown', why: error instanceof Error ? error.message : 'The payload is not readable.' };
  }
}

/** The kind that a content type stands for. */
export function kindOf(contentType: string): EntryKind {
  if (contentType === HASHED_REKORD_TYPE) return 'sigstore';
  const known = Object.entries(CONTENT).find(([, value]) => value === contentType);
  return known ? (known[0] as StatementKind) : 'unknown';
}

/** A heading for an entry from what every listing has: the content type and the statement’s subject. */
export function entryTitle(
  contentType: string,
  subject: string,
  vendorNames: ReadonlyMap<string, string> = new Map(),
): string {
  const release = /^release:(.+)@(.+)$/.exec(subject);
  if (release) return `${release[1]} ${release[2]}`;
  const artifact = /^oci:([^:]*):(?:sha256:)?([0-9a-f]{64})$/.exec(subject);
  if (artifact) return `${mediaTypeWords(artifact[1] ?? '')} ${shortened(artifact[2] ?? '', 8, 4)}`;
  const [, family = '', name = ''] = /^([a-z-]+):(.*)$/.exec(subject) ?? [];
  switch (family) {
    case 'vendor':
      return `Vendor ${vendorNames.get(name) ?? shortened(name, 12, 4)}`;
    case 'certificate':
      return `Certificate ${shortened(name, 8, 4)}`;
    case 'tuf':
      return `Trust root: ${name.replace(/:(\d+)$/, ' version $1')}`;
  }
  switch (kindOf(contentType)) {
    case 'sigstore':
      return `Signature over ${shortened(subject, 15, 6)}`;
    case 'policy':
      return 'Registration policy';
    case 'anchors':
      return 'Trust anchors';
    default:
      return shortened(subject, 40, 12);
  }
}

/** Vendors speak as `https://<vendor id>.vendors.<domain>/`, the registry as `https://<domain>`. */
export function isVendorIssuer(issuer: string): boolean {
  return /^https:\/\/[^./]+\.vendors\./.test(issuer);
}

/** One or two words for the kind of an entry. */
export function kindWords(kind: EntryKind): string {
  return {
    artifact: 'Signature',
    release: 'Release',
    record: 'Record',
    policy: 'Policy',
    anchors: 'Anchors',
    sigstore: 'Sigstore',
    unknown: 'Other',
  }[kind];
}

/** What was done, as the middle of a sentence that begins with who did it. */
export function saidWords(said: Said, subject: string): string {
  switch (said.kind) {
    case 'artifact': {
      const [, shortName = ''] = subject.split(':');
      return `signed ${articled(mediaTypeWords(shortName))} with the digest ${shortened(said.target.digest, 15, 6)}`;
    }
    case 'release': {
      const { applicationId, version, components, images } = said.release;
      const parts = ['its package'];
      if (components.length > 0) parts.push(plural(components.length, 'component'));
      if (images.length > 0) parts.push(plural(images.length, 'image'));
      return `signed release ${version} of ${applicationId} with ${listWords(parts)}`;
    }
    case 'record':
      return `recorded: ${recordWords(said.record).toLowerCase().replace('openpgp', 'OpenPGP')}`;
    case 'policy':
      return 'set the rules for what this log accepts';
    case 'anchors':
      return 'named the certificates and keys this log started with';
    case 'unknown':
      return `made a statement about ${subject}`;
  }
}

/** `an image index`, `a Helm chart`. */
function articled(words: string): string {
  const name = /^(Helm|Compose|OCI)/.test(words) ? words : words.charAt(0).toLowerCase() + words.slice(1);
  return `${/^[aeio]/i.test(name) ? 'an' : 'a'} ${name}`;
}

/** `O` of a certificate's subject (RFC 5280 §4.1.2.6): the organization's legal name. */
export function organizationOf(certificate: Certificate): string {
  const attribute = certificate.subject.rdns.flat().find(({ oid }) => oid === '2.5.4.10');
  return attribute?.value ?? certificate.subjectText;
}

/** RFC 5280 reason codes in words. */
export function reasonWords(reason: string): string {
  return REASONS[reason] ?? reason;
}

const REASONS: Record<string, string> = {
  keyCompromise: 'its key may be in other hands',
  cACompromise: 'its authority was compromised',
  superseded: 'replaced by a newer one',
  cessationOfOperation: 'no longer used',
  affiliationChanged: 'its owner changed',
  privilegeWithdrawn: 'the right to sign was withdrawn',
  unspecified: 'no reason given',
};

/** `vendor-admitted` → `Vendor admitted`. */
export function recordWords(record: string): string {
  return record === 'tuf-published' ? 'Trust root published' : labelWords(record).replace('Openpgp', 'OpenPGP');
}

/** What an OCI media type, or the short name of one in a statement’s subject, is to a person. */
export function mediaTypeWords(type: string): string {
  return MEDIA_WORDS.get(type) ?? 'Artifact';
}

const MEDIA_WORDS: ReadonlyMap<string, string> = new Map([
  ['app', 'Application package'],
  ['application/vnd.margo.app.v1+json', 'Application package'],
  ['compose', 'Compose archive'],
  ['application/vnd.org.margo.component.compose+json', 'Compose archive'],
  ['helm', 'Helm chart'],
  ['application/vnd.cncf.helm.config.v1+json', 'Helm chart'],
  ['image', 'Container image'],
  ['application/vnd.oci.image.config.v1+json', 'Container image'],
  ['application/vnd.docker.container.image.v1+json', 'Container image'],
  ['application/vnd.docker.distribution.manifest.v2+json', 'Container image'],
  ['index', 'Image index'],
  ['application/vnd.oci.image.index.v1+json', 'Image index'],
  ['application/vnd.docker.distribution.manifest.list.v2+json', 'Image index'],
  ['release', 'Release'],
  ['application/vnd.margo.trust.release.v1+json', 'Release'],
  // Packages, charts and images all are manifests; only the subject or the artifact type tells which.
  ['application/vnd.oci.image.manifest.v1+json', 'OCI artifact'],
]);

function decodeRecord(payload: unknown): Said {
  const { record, at, ...rest } = isObject(payload) ? payload : {};
  if (typeof record !== 'string') return { kind: 'unknown', why: 'The record does not say what it records.' };
  const time = typeof at === 'string' ? new Date(at) : undefined;
  const known = time && !Number.isNaN(time.getTime()) ? { at: time } : {};
  return { kind: 'record', record, ...known, members: flatten(rest) };
}

/** Every leaf of a JSON value with the path to it as a label. */
function flatten(value: unknown, path: readonly string[] = []): Member[] {
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item === 'string' && !isOpaque(item)) && value.length > 0) {
      return [
        {
          label: pathWords(path),
          value: value.join(value.some((item) => /[, ]/.test(item)) ? '; ' : ', '),
          isOpaque: false,
        },
      ];
    }
    return value.flatMap((item, n) => flatten(item, value.length === 1 ? path : [...path, String(n + 1)]));
  }
  if (isObject(value)) return Object.entries(value).flatMap(([name, member]) => flatten(member, [...path, name]));
  if (value === null || value === undefined) return [];
  const text = String(value);
  return [{ label: pathWords(path), value: text, isOpaque: isOpaque(text) }];
}

function pathWords(path: readonly string[]): string {
  return path.map(labelWords).join(' · ');
}

function isOpaque(text: string): boolean {
  return (
    /^(sha256:)?[0-9a-f]{32,}$/i.test(text) || (text.length > 80 && !/\s/.test(text)) || text.startsWith('-----BEGIN')
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
