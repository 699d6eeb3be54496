import { REVOCATION_REASONS, type RevocationReason } from './certificates.ts';
import {
  BooleanField,
  ChoiceField,
  IntegerField,
  ObjectField,
  ObjectsField,
  TextField,
  TextsField,
  TimeField,
} from './fields.ts';

/** What a decision is about: what it names exactly. */
export const REVOCATION_KINDS = ['certificate', 'key', 'issuer', 'vendor', 'digest'] as const;
export type RevocationKind = (typeof REVOCATION_KINDS)[number];

/**
 * What to revoke, in one of six ways: certificates by serial number; a key; all certificates of an issuing CA; a vendor; an
 * artifact; or all certificates issued in a span of time, of one vendor or CA or of all.
 */
export class RevocationTarget {
  @TextsField({
    max: 40,
    pattern: /^[0-9a-f]{2,40}$/,
    maxItems: 1_000,
    minItems: 1,
    optional: true,
    description: 'Serial numbers, lower-case hex.',
  })
  serials?: string[];

  @TextField({
    max: 64,
    pattern: /^[0-9a-f]{64}$/,
    optional: true,
    description: 'SHA-256 of a SubjectPublicKeyInfo, hex. It is never certified again.',
  })
  key?: string;

  @TextField({
    max: 64,
    pattern: /^[a-z0-9-]+$/,
    optional: true,
    description: 'Name of an issuing CA; with a span of time, only what it issued then.',
  })
  issuer?: string;

  @TextField({
    max: 26,
    pattern: /^[0-9a-z]{26}$/,
    optional: true,
    description:
      'Id of a vendor; with a digest, only its signatures of that; with a span of time, only what was issued to it then.',
  })
  vendor?: string;

  @TextField({
    max: 103,
    pattern: /^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96})$/,
    optional: true,
    description: 'Digest of an artifact.',
  })
  digest?: string;

  @TimeField({ optional: true, description: 'Certificates issued at this time or later.' })
  issuedFrom?: string;

  @TimeField({ optional: true, description: 'Certificates issued before this time.' })
  issuedUntil?: string;
}

export class RevocationOrder {
  @ObjectField(() => RevocationTarget)
  target: RevocationTarget;

  @ChoiceField(REVOCATION_REASONS)
  reason: RevocationReason;

  @TimeField({
    optional: true,
    description: 'Signatures with trusted time at or after it are refused. Left out after a compromise: all are.',
  })
  invalidityDate?: string;

  @BooleanField({
    optional: true,
    description:
      'For governance: trust signatures again that are refused now. It takes two members who ask for the same.',
  })
  narrow?: boolean;
}

/** What holds now about one subject. */
export class RevocationState {
  @ChoiceField(REVOCATION_KINDS)
  kind: RevocationKind;

  @TextField({ max: 103, description: 'Serial number, SHA-256 of a key, name of a CA, id of a vendor, or digest.' })
  target: string;

  @TextField({ max: 26, optional: true, description: 'Of a digest: only signatures of this vendor are refused.' })
  vendorId?: string;

  @ChoiceField(REVOCATION_REASONS)
  reason: RevocationReason;

  @TimeField({ description: 'When it was first revoked.' })
  revokedAt: string;

  @TimeField({ optional: true, description: 'From when on signatures are not to be trusted.' })
  invalidityDate?: string;

  @TextField({ max: 43, description: 'EntryID of the record of the decision.' })
  entryId: string;
}

export class RevocationPage {
  @ObjectsField(() => RevocationState)
  items: RevocationState[];

  @TextField({ max: 200, optional: true, description: 'Cursor of the next page; absent on the last one.' })
  next?: string;
}

/** What an order has changed. */
export class RevocationDecision {
  @IntegerField({
    min: 0,
    max: 10_000_000,
    description: 'Subjects that were decided about now; 0 when all held already.',
  })
  decided: number;

  @IntegerField({ min: 1, max: 10, optional: true, description: 'Votes to trust signatures again; two decide.' })
  votes?: number;

  @ObjectsField(() => RevocationState, { maxItems: 100, description: 'What holds now; the first hundred subjects.' })
  items: RevocationState[];
}

/** A certificate that an order is about. */
export class PreviewedCertificate {
  @TextField({ max: 40 })
  serial: string;

  @TextField({ max: 64 })
  fingerprint: string;

  @TextField({ max: 26 })
  vendorId: string;

  @TimeField()
  notBefore: string;

  @TimeField()
  notAfter: string;
}

export const PREVIEW_OUTCOMES = ['stops', 'keeps', 'refused'] as const;
export type PreviewOutcome = (typeof PREVIEW_OUTCOMES)[number];

/** A logged statement that an order is about. */
export class PreviewedStatement {
  @TextField({ max: 20 })
  index: string;

  @TextField({ max: 43 })
  entryId: string;

  @TextField({ max: 26 })
  vendorId: string;

  @TextField({ max: 200 })
  contentType: string;

  @TextField({ max: 1_000 })
  subject: string;

  @TextField({ max: 200, optional: true })
  applicationId?: string;

  @TextField({ max: 200, optional: true })
  version?: string;

  @TimeField({ description: 'Its trusted time, unless a time-stamp of ours is earlier.' })
  registeredAt: string;

  @ChoiceField(PREVIEW_OUTCOMES, {
    description: 'Verifies now and will not; will go on verifying; is refused already by an earlier revocation.',
  })
  outcome: PreviewOutcome;
}

export class PreviewCounts {
  @IntegerField({ min: 0, max: Number.MAX_SAFE_INTEGER })
  stops: number;

  @IntegerField({ min: 0, max: Number.MAX_SAFE_INTEGER })
  keeps: number;

  @IntegerField({ min: 0, max: Number.MAX_SAFE_INTEGER })
  refused: number;
}

/** What an order would do, without doing it. */
export class RevocationPreview {
  @IntegerField({ min: 0, max: Number.MAX_SAFE_INTEGER, description: 'Certificates that the order is about.' })
  certificateCount: number;

  @ObjectsField(() => PreviewedCertificate, { maxItems: 100, description: 'The newest hundred of them.' })
  certificates: PreviewedCertificate[];

  @IntegerField({ min: 0, max: Number.MAX_SAFE_INTEGER, description: 'Bytes by which the CRLs would grow in all.' })
  crlBytes: number;

  @ObjectField(() => PreviewCounts, { description: 'Logged statements of vendors.' })
  counts: PreviewCounts;

  @ObjectsField(() => PreviewedStatement, { maxItems: 100, description: 'A page of them, newest first.' })
  items: PreviewedStatement[];

  @TextField({ max: 200, optional: true, description: 'Cursor of the next page; absent on the last one.' })
  next?: string;
}
