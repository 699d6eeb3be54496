import { ObjectsField, TextField, TimeField } from './fields.ts';

/** What a claim of the token must be. */
export class ClaimConstraint {
  @TextField({ max: 100, pattern: /^[A-Za-z0-9_.:/-]+$/, example: 'repository_owner_id' })
  name: string;

  @TextField({ max: 300, pattern: /^[ -~]+$/, description: 'To the letter; numbers in decimal, or `true` or `false`.' })
  value: string;
}

/** Lets builds have certificates of a vendor, each for a day. */
export class WorkloadBindingRequest {
  @TextField({
    max: 300,
    pattern: /^https?:\/\/[!-~]+$/,
    description: '`iss` of the tokens. The registry takes those of issuers that its operator has named.',
    example: 'https://token.actions.githubusercontent.com',
  })
  issuer: string;

  @TextField({
    max: 500,
    description: '`sub` of the tokens. A `*` at the end of a segment stands for the rest of it.',
    example: 'repo:acme/app:ref:refs/tags/v*',
  })
  subject: string;

  @ObjectsField(() => ClaimConstraint, {
    maxItems: 20,
    optional: true,
    description:
      'Claims that must be so besides: the number of a repository stays when its name is taken by somebody else.',
  })
  claims?: ClaimConstraint[];
}

export class WorkloadBinding {
  @TextField({ max: 26 })
  id: string;

  @TextField({ max: 26 })
  vendorId: string;

  @TextField({ max: 300 })
  issuer: string;

  @TextField({ max: 500 })
  subject: string;

  @ObjectsField(() => ClaimConstraint)
  claims: ClaimConstraint[];

  @TextField({ max: 300, description: 'What the build asks its issuer for as `aud`: the URI of the vendor.' })
  audience: string;

  @TimeField()
  createdAt: string;

  @TextField({ max: 43, description: 'EntryID of its record.' })
  entryId: string;
}

export class WorkloadBindingList {
  @ObjectsField(() => WorkloadBinding)
  items: WorkloadBinding[];
}
