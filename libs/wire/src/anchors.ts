import { ChoiceField, ObjectField, ObjectsField, TextField, TextsField, TimeField } from './fields.ts';
import { VendorApproval, VendorClaims } from './vendors.ts';

export const ANCHOR_PURPOSES = ['artifact-signing', 'timestamping', 'device-idevid'] as const;
export type AnchorPurpose = (typeof ANCHOR_PURPOSES)[number];

export const ANCHOR_STATES = ['proposed', 'registered', 'withdrawn'] as const;
export type AnchorState = (typeof ANCHOR_STATES)[number];

const TO_THE_LETTER = /^[^\s\p{C}](?:[^\p{C}]*[^\s\p{C}])?$/u;

/** What certificates under an anchor are called. What is left out is not looked at. */
export class AnchorSubject {
  @TextField({ max: 2, pattern: /^[A-Z]{2}$/, optional: true, example: 'DE' })
  C?: string;

  @TextField({ max: 128, pattern: TO_THE_LETTER, optional: true, example: 'Bavaria' })
  ST?: string;

  @TextField({ max: 128, pattern: TO_THE_LETTER, optional: true })
  L?: string;

  @TextField({ max: 64, pattern: TO_THE_LETTER, optional: true, example: 'Example GmbH' })
  O?: string;

  @TextField({ max: 64, pattern: TO_THE_LETTER, optional: true })
  OU?: string;

  @TextField({ max: 64, pattern: TO_THE_LETTER, optional: true })
  CN?: string;

  @TextField({
    max: 300,
    pattern: /^[!-~]+$/,
    optional: true,
    description: 'Every URI of the subject alternative name: this one, or with `/*` at its end those that begin so.',
  })
  uri?: string;

  @TextField({
    max: 253,
    pattern: /^[!-~]+$/,
    optional: true,
    description: 'Every host name of the subject alternative name: this one, or with `*.` before it those below.',
  })
  dns?: string;
}

/** A vendor's own CA, or a signing certificate of its own, and what it is to count for. */
export class AnchorRequest {
  @TextField({ max: 100_000, description: 'One certificate: PEM, or DER in base64.' })
  certificate: string;

  @ChoiceField(ANCHOR_PURPOSES)
  purpose: AnchorPurpose;

  @ObjectField(() => VendorClaims, {
    optional: true,
    description: 'For purpose `artifact-signing`, and required there: those of the vendor, or narrower ones.',
  })
  claims?: VendorClaims;

  @ObjectField(() => AnchorSubject, {
    description:
      'For purpose `artifact-signing` C, ST and O of the vendor, for others O, and whatever else it should be.',
  })
  subject: AnchorSubject;

  @TimeField({ optional: true, description: 'Signatures with trusted time from then on count. Default: now.' })
  validFrom?: string;

  @TimeField({ optional: true, description: 'And before then. Default: the end of the certificate.' })
  validUntil?: string;

  @TextField({ max: 2000, description: 'Why; governance reads it.' })
  reason: string;
}

/** All that speaks against an anchor. */
export class AnchorPreview {
  @TextsField({ max: 1000, maxItems: 200, description: 'Every reason, one sentence each; empty when it would do.' })
  findings: string[];

  @TextField({ max: 64, description: 'SHA-256 of the certificate.' })
  fingerprint: string;

  @TextField({ max: 1000 })
  certificateSubject: string;

  @TimeField()
  validFrom: string;

  @TimeField()
  validUntil: string;
}

export class Anchor {
  @TextField({ max: 26 })
  id: string;

  @TextField({ max: 26 })
  vendorId: string;

  @ChoiceField(ANCHOR_STATES)
  state: AnchorState;

  @ChoiceField(ANCHOR_PURPOSES)
  purpose: AnchorPurpose;

  @TextField({ max: 64, description: 'SHA-256 of the certificate.' })
  fingerprint: string;

  @TextField({ max: 1000 })
  certificateSubject: string;

  @TextField({ max: 100_000, description: 'PEM.' })
  certificate: string;

  @ObjectField(() => VendorClaims)
  claims: VendorClaims;

  @ObjectField(() => AnchorSubject)
  subject: AnchorSubject;

  @TimeField()
  validFrom: string;

  @TimeField()
  validUntil: string;

  @TimeField()
  proposedAt: string;

  @TimeField({ optional: true })
  registeredAt?: string;

  @TextField({ max: 43, optional: true, description: 'EntryID of the record that registered it.' })
  entryId?: string;

  @TimeField({ optional: true })
  withdrawnAt?: string;

  @TextField({ max: 43, optional: true, description: 'EntryID of the record that withdrew it.' })
  withdrawalEntryId?: string;

  @TextField({ max: 2000, optional: true, description: 'Only for the vendor’s own members and for governance.' })
  reason?: string;

  @ObjectsField(() => VendorApproval, {
    optional: true,
    description: 'Only for the vendor’s own members and for governance.',
  })
  approvals?: VendorApproval[];
}

export class AnchorList {
  @ObjectsField(() => Anchor)
  items: Anchor[];
}

export class AnchorPage {
  @ObjectsField(() => Anchor)
  items: Anchor[];

  @TextField({ max: 200, optional: true, description: 'Cursor of the next page; absent on the last one.' })
  next?: string;
}
