import { BooleanField, ChoiceField, ObjectField, ObjectsField, TextField, TimeField } from './fields.ts';

const LOG_KEY_PURPOSES = ['checkpoint', 'checkpoint-ml-dsa-44', 'receipt', 'sct', 'record'] as const;

/** A key of a log, and the tree sizes that it signs for. */
export class LogKeyInfo {
  @ChoiceField(LOG_KEY_PURPOSES)
  purpose: string;

  @TextField({ max: 4096, description: 'SubjectPublicKeyInfo, base64.' })
  spki: string;

  @TextField({ max: 20, description: 'The smallest tree that it signs for.' })
  fromSize: string;

  @TextField({ max: 20, optional: true, description: 'The smallest tree that it no longer signs for.' })
  untilSize?: string;

  @TextField({ max: 20, optional: true, description: 'Where the record is that began it.' })
  event?: string;

  @TimeField()
  since: string;

  @TimeField({ optional: true })
  retiredAt?: string;
}

/** A log of the registry. */
export class LogInfo {
  @TextField({ max: 253 })
  origin: string;

  @TextField({ max: 64, description: 'Where its public files are.', example: '/log/' })
  path: string;

  @ChoiceField(['active', 'closed', 'frozen', 'retired'], {
    description:
      'An active log takes statements. The first may be closed for them; a frozen one takes nothing, and a retired one signs nothing either.',
  })
  state: string;

  @BooleanField({ description: 'Whether statements that name no log go there: to the oldest one that is active.' })
  takesStatements: boolean;

  @TextField({ max: 20 })
  size: string;

  @TimeField()
  openedAt: string;

  @TimeField({ optional: true })
  closedAt?: string;

  @TimeField({ optional: true })
  frozenAt?: string;

  @TimeField({ optional: true })
  retiredAt?: string;

  @ObjectsField(() => LogKeyInfo, { description: 'All there were, oldest first.' })
  keys: LogKeyInfo[];
}

export class LogList {
  @ObjectsField(() => LogInfo, { description: 'Oldest first.' })
  items: LogInfo[];
}

/** What is to be done with a log. */
export class LogChangeRequest {
  @ChoiceField(['open', 'close', 'freeze', 'retire', 'rotate-key'])
  action: string;

  @TextField({
    max: 253,
    optional: true,
    description: 'Origin of the log; default: what `name` says, or the first one.',
  })
  log?: string;

  @TextField({
    max: 31,
    optional: true,
    description: 'Name of the log below /logs/, in place of its origin.',
    example: '2027',
  })
  name?: string;

  @ChoiceField(LOG_KEY_PURPOSES, { optional: true, description: 'For `rotate-key`.' })
  purpose?: string;

  @TextField({ max: 2000, description: 'Why; kept in the audit trail.' })
  reason: string;
}

/** What a proposal would do. */
export class LogChange {
  @ChoiceField(['open', 'close', 'freeze', 'retire', 'rotate-key'])
  action: string;

  @TextField({ max: 253 })
  log: string;

  @ChoiceField(LOG_KEY_PURPOSES, { optional: true })
  purpose?: string;

  @TextField({ max: 4096, optional: true, description: 'The key that is to follow: SubjectPublicKeyInfo, base64.' })
  key?: string;

  @TextField({ max: 4096, optional: true, description: 'The key that it replaces, if there is one.' })
  replaces?: string;

  @TextField({ max: 31, optional: true, description: 'Of a log that is to be opened.' })
  name?: string;

  @TextField({ max: 4096, optional: true, description: 'What its checkpoints will be signed with.' })
  checkpointKey?: string;

  @TextField({ max: 4096, optional: true, description: 'The ML-DSA-44 key that cosigns them, if it is to have one.' })
  mlDsa44Key?: string;

  @TextField({ max: 4096, optional: true, description: 'What its receipts will be signed with.' })
  receiptKey?: string;

  @TextField({ max: 4096, optional: true, description: 'What its promises in certificates would be signed with.' })
  sctKey?: string;
}

export class LogProposal {
  @TextField({ max: 32 })
  id: string;

  @ObjectField(() => LogChange)
  change: LogChange;

  @TextField({ max: 2000 })
  reason: string;

  @TextField({ max: 200, description: 'The governance member, as known to the sign-in.' })
  proposedBy: string;

  @TimeField()
  proposedAt: string;
}

export class LogProposalList {
  @ObjectsField(() => LogProposal)
  items: LogProposal[];
}
