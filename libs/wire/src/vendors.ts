import { ChoiceField, ChoicesField, ObjectField, ObjectsField, TextField, TextsField, TimeField } from './fields.ts';

/** Margo's words for what a supplier supplies. */
export const PERSONAS = [
  'workload-supplier',
  'device-supplier',
  'fleet-management-supplier',
  'platform-supplier',
] as const;
export type Persona = (typeof PERSONAS)[number];

export const VENDOR_STATUSES = ['submitted', 'active', 'suspended'] as const;
export type VendorStatus = (typeof VENDOR_STATUSES)[number];

export const MEMBER_ROLES = ['owner', 'publisher', 'security', 'auditor', 'governance'] as const;
export type MemberRole = (typeof MEMBER_ROLES)[number];

/** A name that may stand in a certificate's subject: printable, no edge spaces, and no `=#`, which Notation refuses. */
const SUBJECT_TEXT = /^(?!.*=#)[^\s\p{C}](?:[^\p{C}]*[^\s\p{C}])?$/u;

/** What a vendor may sign: granted as a whole with its admission, unique among vendors. */
export class VendorClaims {
  @TextsField({
    max: 200,
    maxItems: 50,
    pattern: /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9.-])?$/,
    description: 'Application ids must begin with one of these.',
    example: ['com-example-'],
  })
  applicationIdPrefixes: string[];

  @TextsField({
    max: 250,
    maxItems: 50,
    pattern: /^[a-z0-9.-]+(?::\d{1,5})?(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+$/,
    description: 'Host and repository path below which the vendor publishes.',
    example: ['registry.example.com/example'],
  })
  ociNamespaces: string[];
}

/** Someone asks to become a vendor. */
export class VendorApplication {
  @TextField({
    min: 2,
    max: 64,
    pattern: SUBJECT_TEXT,
    description: 'Legal name: O of the certificates.',
    example: 'Example GmbH',
  })
  legalName: string;

  @TextField({
    min: 2,
    max: 2,
    pattern: /^[A-Z]{2}$/,
    description: 'ISO 3166 code: C of the certificates.',
    example: 'DE',
  })
  country: string;

  @TextField({
    max: 64,
    pattern: SUBJECT_TEXT,
    description: 'State or province: ST of the certificates.',
    example: 'Bavaria',
  })
  state: string;

  @ChoicesField(PERSONAS, { minItems: 1 })
  personas: Persona[];

  @TextField({
    max: 200,
    pattern: /^(?:mailto:[^\s@]+@[^\s@]+|https:\/\/\S+|[^\s@:]+@[^\s@]+)$/,
    description: 'Where vulnerabilities are reported: an e-mail address or an https page. Not public.',
    example: 'psirt@example.com',
  })
  securityContact: string;

  @ObjectField(() => VendorClaims)
  claims: VendorClaims;

  @TextField({ max: 200, pattern: /^https:\/\/\S+$/, optional: true, example: 'https://example.com' })
  website?: string;
}

/** The part of a certificate's subject that is one vendor's alone. */
export class VendorSubject {
  @TextField({ max: 2 })
  C: string;

  @TextField({ max: 64 })
  ST: string;

  @TextField({ max: 64 })
  O: string;
}

export class VendorApproval {
  @TextField({ max: 200, description: 'The governance member, as known to the sign-in.' })
  by: string;

  @TextField({ max: 2000 })
  note: string;

  @TimeField()
  at: string;
}

export class Vendor {
  @TextField({ max: 26, description: 'Lower-case ULID. Never reused.' })
  id: string;

  @TextField({ max: 300, description: 'The vendor as `iss` of its statements and as URI in its certificates.' })
  uri: string;

  @TextField({ max: 64 })
  legalName: string;

  @ChoiceField(VENDOR_STATUSES)
  status: VendorStatus;

  @ObjectField(() => VendorSubject)
  subject: VendorSubject;

  @ChoicesField(PERSONAS)
  personas: Persona[];

  @ObjectField(() => VendorClaims)
  claims: VendorClaims;

  @TextField({ max: 200, optional: true })
  website?: string;

  @TimeField()
  submittedAt: string;

  @TimeField({ optional: true })
  admittedAt?: string;

  @TimeField({ optional: true })
  suspendedAt?: string;

  @TextField({ max: 2000, optional: true })
  suspensionReason?: string;

  @TextField({ max: 43, optional: true, description: 'EntryID of the latest governance record about this vendor.' })
  recordEntryId?: string;

  @TextField({ max: 200, optional: true, description: 'Only for the vendor’s own members and for governance.' })
  securityContact?: string;

  @ObjectsField(() => VendorApproval, {
    optional: true,
    description: 'Only for the vendor’s own members and for governance.',
  })
  approvals?: VendorApproval[];
}

export class VendorPage {
  @ObjectsField(() => Vendor)
  items: Vendor[];

  @TextField({ max: 200, optional: true, description: 'Cursor of the next page; absent on the last one.' })
  next?: string;
}

export class ApprovalRequest {
  @TextField({ max: 2000, description: 'Why; goes on record.' })
  note: string;
}

export class SuspensionRequest {
  @TextField({ max: 2000, description: 'Why; goes on record.' })
  reason: string;
}

export class Membership {
  @TextField({ max: 26, description: 'A vendor’s id, or `margo`.' })
  organisation: string;

  @ChoiceField(MEMBER_ROLES)
  role: MemberRole;
}

/** Who the caller is, as the registry sees it. */
export class Me {
  @TextField({ max: 500 })
  issuer: string;

  @TextField({ max: 200 })
  subject: string;

  @ObjectsField(() => Membership)
  memberships: Membership[];
}
