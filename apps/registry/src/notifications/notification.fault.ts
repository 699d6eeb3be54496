import { Fault } from '@margo-trust/fault';

export type NotificationFaultCode =
  | 'follow/too-many'
  | 'subscription/address-refused'
  | 'subscription/not-found'
  | 'subscription/too-many'
  | 'subscription/unknown-position';

/** Somebody cannot be told of what is in the log. */
export class NotificationFault extends Fault<NotificationFaultCode> {}
