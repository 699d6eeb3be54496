import type { MemberRole } from '@margo-trust/wire';

/** The organisation of governance members. Vendors are organisations by their id. */
export const GOVERNANCE = 'margo';

export interface Membership {
  organisation: string;
  role: MemberRole;
}

/** A person who signed in: known by issuer and subject together, since subjects are only unique within their issuer. */
export class Identity {
  readonly issuer: string;
  readonly subject: string;
  readonly memberships: readonly Membership[];

  constructor(issuer: string, subject: string, memberships: readonly Membership[]) {
    this.issuer = issuer;
    this.subject = subject;
    this.memberships = memberships;
  }

  /** How the audit trail names this person. */
  get name(): string {
    return `${this.issuer}#${this.subject}`;
  }

  /** Whether these are one person: what somebody began another one must finish. */
  isSameAs({ issuer, subject }: { readonly issuer: string; readonly subject: string }): boolean {
    return this.issuer === issuer && this.subject === subject;
  }

  get isGovernance(): boolean {
    return this.memberships.some(({ role }) => role === 'governance');
  }

  belongsTo(organisation: string): boolean {
    return this.memberships.some((membership) => membership.organisation === organisation);
  }

  hasRole(organisation: string, ...roles: readonly MemberRole[]): boolean {
    return this.memberships.some(({ organisation: of, role }) => of === organisation && roles.includes(role));
  }
}
