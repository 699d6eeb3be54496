import { ChoiceField, ChoicesField, IntegerField, ObjectField, ObjectsField, TextField, TimeField } from './fields.ts';

/** A kind of statement that vendors may register. */
export class PolicyStatement {
  @TextField({ max: 255, description: 'COSE content type.', example: 'application/vnd.margo.trust.release.v1+json' })
  contentType: string;

  @ChoiceField(['notary-artifact', 'margo-release', 'opaque'], {
    description: 'What the payload must be. `opaque` is looked into by nobody, and claims nothing.',
  })
  payload: string;
}

/** A token bucket for each vendor and process. */
export class PolicyRate {
  @IntegerField({ min: 1, max: 1_000_000, description: 'Registrations a second in the long run.' })
  perSecond: number;

  @IntegerField({ min: 1, max: 1_000_000, description: 'Registrations at once.' })
  burst: number;
}

/** The registration policy as it is logged. docs/formats.md says what each member decides. */
export class PolicyDocument {
  @TextField({ max: 64, example: 'margo.registration-policy.v2' })
  type: string;

  @IntegerField({ min: 1, max: Number.MAX_SAFE_INTEGER, description: 'One more than that of the policy before.' })
  version: number;

  @ChoicesField(['ES256', 'ES384', 'PS256', 'PS384'], { minItems: 1 })
  algorithms: string[];

  @ObjectsField(() => PolicyStatement, { maxItems: 32 })
  statements: PolicyStatement[];

  @ChoiceField(['artifact-signing'], { description: 'Purpose of the anchors that chains must lead to.' })
  anchors: string;

  @ChoiceField(['active'], { description: 'Standing that a vendor must have.' })
  vendors: string;

  @ChoicesField(['application-id-prefix', 'oci-namespace'], { description: 'Claims that statements are held to.' })
  claims: string[];

  @IntegerField({ min: 1_024, max: 1_048_576, description: 'Without the unprotected header.' })
  maxStatementBytes: number;

  @ObjectField(() => PolicyRate)
  vendorRate: PolicyRate;
}

export class LoggedPolicy {
  @TextField({ max: 20, description: 'Where it is logged, decimal: it counts for entries above.' })
  index: string;

  @TextField({ max: 43 })
  entryId: string;

  @TimeField()
  decidedAt: string;

  @ObjectField(() => PolicyDocument)
  policy: PolicyDocument;
}

export class PolicyState {
  @ObjectField(() => LoggedPolicy)
  current: LoggedPolicy;

  @ObjectsField(() => LoggedPolicy, { description: 'Those before, newest first.' })
  history: LoggedPolicy[];
}

export class PolicyProposalRequest {
  @ObjectField(() => PolicyDocument)
  policy: PolicyDocument;

  @TextField({ max: 2000, description: 'Why; kept in the audit trail.' })
  reason: string;
}

export class PolicyProposal {
  @TextField({ max: 32 })
  id: string;

  @ObjectField(() => PolicyDocument)
  policy: PolicyDocument;

  @TextField({ max: 2000 })
  reason: string;

  @TextField({ max: 200, description: 'The governance member, as known to the sign-in.' })
  proposedBy: string;

  @TimeField()
  proposedAt: string;
}

export class PolicyProposalList {
  @ObjectsField(() => PolicyProposal)
  items: PolicyProposal[];
}
