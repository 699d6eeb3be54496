import { Fault } from '@margo-trust/fault';

export type AuthorityFaultCode =
  | 'authority/in-use'
  | 'authority/key-missing'
  | 'authority/known'
  | 'authority/not-found'
  | 'authority/not-published'
  | 'authority/own-announcement'
  | 'authority/unfit'
  | 'authority/wrong-state';

export class AuthorityFault extends Fault<AuthorityFaultCode> {}
