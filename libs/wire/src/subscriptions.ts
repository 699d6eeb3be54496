import { IntegerField, ObjectsField, TextField, TimeField } from './fields.ts';

/** Which entries somebody wants to hear of. All that are given must hold; none given means every entry. */
class LogFilter {
  @TextField({ max: 300, optional: true, pattern: /^[\x21-\x7e]+$/, description: 'A vendor’s id or URI.' })
  vendor?: string;

  @TextField({ max: 200, optional: true, pattern: /^[-a-z0-9.]+$/ })
  application?: string;

  @TextField({ max: 71, optional: true, pattern: /^sha256:[0-9a-f]{64}$/, description: 'A digest it speaks of.' })
  digest?: string;

  @TextField({ max: 64, optional: true, pattern: /^[0-9a-f]{64}$/, description: 'SHA-256 of a certificate.' })
  certificate?: string;
}

/** Asks to be told of new entries at an address. */
export class LogSubscriptionRequest extends LogFilter {
  @TextField({ max: 26, description: 'A vendor’s id, or `margo` for governance: who owns the subscription.' })
  organisation: string;

  @TextField({ max: 2_000, description: 'Where to send to: https, without user and fragment, at a public address.' })
  url: string;
}

export class LogSubscription extends LogFilter {
  @TextField({ max: 26 })
  id: string;

  @TextField({ max: 26 })
  organisation: string;

  @TextField({ max: 2_000 })
  url: string;

  @TimeField()
  createdAt: string;

  @TextField({ max: 20, description: 'Index of the entry that is looked at next, decimal.' })
  position: string;

  @IntegerField({ min: 0, max: 1_000_000, description: 'Attempts that failed since the last that did not.' })
  failures: number;

  @TimeField({ optional: true, description: 'When the next attempt is made, after one that failed.' })
  nextAttemptAt?: string;

  @TimeField({ optional: true, description: 'When it was given up. Going back to a position begins anew.' })
  disabledAt?: string;

  @TextField({
    max: 100,
    optional: true,
    description: 'Key of the signatures (Standard Webhooks). Shown once, when the subscription is made.',
  })
  secret?: string;
}

export class LogSubscriptionList {
  @ObjectsField(() => LogSubscription)
  items: LogSubscription[];
}

/** From which entry on to tell again. */
export class RedeliveryRequest {
  @TextField({ max: 18, pattern: /^\d+$/, description: 'Index of an entry, decimal; at most the size of the log.' })
  from: string;
}

/** One attempt. */
export class LogDelivery {
  @TextField({ max: 20, description: 'Index of the entry, decimal.' })
  index: string;

  @TimeField()
  at: string;

  @TextField({
    max: 20,
    description: '`delivered`, `refused` by status, `unreachable`, or `forbidden` by its address.',
  })
  outcome: string;

  @IntegerField({ min: 100, max: 999, optional: true, description: 'What the address answered.' })
  status?: number;

  @IntegerField({ min: 0, max: 1_000_000 })
  milliseconds: number;
}

/** The newest attempts, newest first, at most a hundred. */
export class LogDeliveryList {
  @ObjectsField(() => LogDelivery)
  items: LogDelivery[];
}
