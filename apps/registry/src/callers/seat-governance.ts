import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import { Db } from '../db/db.ts';
import { GOVERNANCE } from './identity.ts';
import { MemberStore } from './member.store.ts';

/** Makes the governance members exactly those of the configuration, and says so in the audit trail. */
@Injectable()
export class SeatGovernance {
  constructor(
    private readonly db: Db,
    private readonly members: MemberStore,
    private readonly audit: AuditTrail,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  async run(): Promise<void> {
    const { oidcIssuer: issuer, governanceMembers } = this.config;
    await this.db.transaction(async (tx) => {
      await this.members.lockSeats(tx);
      const seated = await this.members.withRole(tx, 'governance');
      const isWanted = (member: { issuer: string; subject: string }) =>
        member.issuer === issuer && governanceMembers.includes(member.subject);

      for (const member of seated.filter((member) => !isWanted(member))) {
        await this.members.remove(tx, member);
        await this.note(tx, 'governance-member-removed', `${member.issuer}#${member.subject}`);
      }
      for (const subject of governanceMembers) {
        if (seated.some((member) => member.issuer === issuer && member.subject === subject)) continue;
        const since = this.clock.now();
        await this.members.add(tx, { issuer, subject, organisation: GOVERNANCE, role: 'governance', since });
        await this.note(tx, 'governance-member-seated', `${issuer}#${subject}`);
      }
    });
  }

  private note(tx: Parameters<AuditTrail['append']>[0], action: string, subject: string): Promise<void> {
    return this.audit.append(tx, { actor: 'configuration', action, subject, detail: {} });
  }
}
