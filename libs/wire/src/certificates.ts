import { ChoiceField, ObjectField, ObjectsField, TextField, TimeField } from './fields.ts';

/** RFC 5280 §5.3.1, those that make sense for a vendor's leaf. */
export const REVOCATION_REASONS = [
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
] as const;
export type RevocationReason = (typeof REVOCATION_REASONS)[number];

/** Asks for a signing certificate. Only the public key is taken from the request; the subject is the vendor's. */
export class CertificateRequest {
  @TextField({
    max: 20_000,
    pattern: /^-----BEGIN (NEW )?CERTIFICATE REQUEST-----[\sA-Za-z0-9+/=]+-----END (NEW )?CERTIFICATE REQUEST-----\s*$/,
    description: 'PKCS#10 request, PEM.',
  })
  csr: string;

  @TextField({ max: 64, optional: true, description: 'Common name; “<legal name> release signing” unless given.' })
  commonName?: string;

  @TextField({
    max: 40_000,
    pattern: /^(?:-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----\s*)+$/,
    optional: true,
    description:
      'Proof that the key lies in hardware: its attestation certificate and the intermediate ones of the device, PEM. What ' +
      'cannot be verified is refused.',
  })
  attestation?: string;
}

/** Vetted organisation with a key in attested hardware, with any other key, or a build of it for a day. */
export const ASSURANCES = ['hardware', 'software', 'ci'] as const;
export type Assurance = (typeof ASSURANCES)[number];

/** A build, as its OpenID issuer calls it. */
export class Workload {
  @TextField({ max: 300 })
  issuer: string;

  @TextField({ max: 1_000 })
  subject: string;
}

export class Certificate {
  @TextField({ max: 40, description: 'Serial number, lower-case hex.' })
  serial: string;

  @TextField({ max: 64, description: 'SHA-256 of the certificate, hex.' })
  fingerprint: string;

  @TextField({ max: 26 })
  vendorId: string;

  @TextField({ max: 300 })
  subject: string;

  @ChoiceField(ASSURANCES, { description: 'What is known of the key, or `ci`: given to a build.' })
  assurance: Assurance;

  @ObjectField(() => Workload, { optional: true, description: 'The build it was given to, with assurance `ci`.' })
  workload?: Workload;

  @TimeField()
  notBefore: string;

  @TimeField()
  notAfter: string;

  @TimeField({ optional: true, description: 'From then on ask for the next one, with a new key: both will be valid.' })
  renewAfter?: string;

  @ChoiceField(['valid', 'revoked', 'expired'])
  status: 'valid' | 'revoked' | 'expired';

  @TextField({ max: 43, description: 'EntryID of the record of issuance.' })
  entryId: string;

  @TextField({ max: 20_000, description: 'PEM.' })
  certificate: string;

  @TextField({ max: 60_000, description: 'PEM: leaf, issuing CA, root.' })
  chain: string;

  @TimeField({ optional: true })
  revokedAt?: string;

  @ChoiceField(REVOCATION_REASONS, { optional: true })
  revocationReason?: RevocationReason;

  @TimeField({ optional: true, description: 'From when on signatures are not to be trusted. Absent: none ever.' })
  invalidityDate?: string;

  @TextField({ max: 43, optional: true, description: 'EntryID of the record of revocation.' })
  revocationEntryId?: string;
}

/** A key that nobody gets a certificate for. */
export class BlockedKey {
  @TextField({ max: 64, description: 'SHA-256 of the SubjectPublicKeyInfo, hex.' })
  spkiSha256: string;

  @ChoiceField(REVOCATION_REASONS)
  reason: RevocationReason;

  @TimeField()
  since: string;

  @TextField({ max: 43, description: 'EntryID of the record of the decision.' })
  entryId: string;

  @TextField({ max: 40, optional: true, description: 'Serial number of its certificate, if it has one.' })
  serial?: string;
}

export class BlockedKeyPage {
  @ObjectsField(() => BlockedKey)
  items: BlockedKey[];

  @TextField({ max: 200, optional: true, description: 'Cursor of the next page; absent on the last one.' })
  next?: string;
}

export class CertificatePage {
  @ObjectsField(() => Certificate)
  items: Certificate[];

  @TextField({ max: 200, optional: true, description: 'Cursor of the next page; absent on the last one.' })
  next?: string;
}

export class RevocationRequest {
  @ChoiceField(REVOCATION_REASONS)
  reason: RevocationReason;

  @TimeField({
    optional: true,
    description: 'Signatures with trusted time at or after it are refused. Left out after a compromise: all are.',
  })
  invalidityDate?: string;
}

/** What was decided about a certificate and holds now. */
export class Revocation {
  @TextField({ max: 40, description: 'Serial number, lower-case hex.' })
  serial: string;

  @TextField({ max: 64, description: 'SHA-256 of the certificate, hex.' })
  fingerprint: string;

  @TextField({ max: 26 })
  vendorId: string;

  @ChoiceField(REVOCATION_REASONS)
  reason: RevocationReason;

  @TimeField({ description: 'When it was first revoked.' })
  revokedAt: string;

  @TimeField({ optional: true, description: 'From when on signatures are not to be trusted.' })
  invalidityDate?: string;

  @TextField({ max: 43, description: 'EntryID of the record of the decision.' })
  entryId: string;
}

export const AUTHORITY_ROLES = ['root', 'issuing', 'tsa-ca', 'tsa'] as const;

/** A CA or time-stamping authority of the registry. */
export class Authority {
  @TextField({ max: 20, example: 'issuing-2' })
  name: string;

  @ChoiceField(AUTHORITY_ROLES)
  role: (typeof AUTHORITY_ROLES)[number];

  @ChoiceField(['standby', 'active', 'retiring', 'retired'], {
    description:
      '`standby` is published and signs nothing yet; of each role one is `active`; `retiring` signs CRLs only; `retired` nothing.',
  })
  state: 'standby' | 'active' | 'retiring' | 'retired';

  @TimeField({ description: 'Of the state.' })
  since: string;

  @TextField({ max: 300 })
  subject: string;

  @TimeField()
  notBefore: string;

  @TimeField()
  notAfter: string;

  @TextField({ max: 64, description: 'SHA-256 of the certificate, hex.' })
  fingerprint: string;

  @TextField({ max: 20_000, description: 'PEM.' })
  certificate: string;
}

export class AuthorityList {
  @ObjectsField(() => Authority)
  items: Authority[];
}

/** An authority's certificate as a ceremony has signed it. */
export class AuthorityAnnouncement {
  @TextField({
    max: 20_000,
    pattern: /^-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----\s*$/,
    description: 'One certificate, PEM.',
  })
  certificate: string;

  @ChoiceField(AUTHORITY_ROLES)
  role: (typeof AUTHORITY_ROLES)[number];
}
