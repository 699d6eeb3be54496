import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import type { Identity } from '../callers/identity.ts';
import { Clock } from '../clock.ts';
import { Db, type Tx } from '../db/db.ts';
import { AppendRecord } from '../log/append-record.ts';
import { RevocationReader } from '../revocation/revocation.reader.ts';
import { TrustRootReader } from '../trust-root/trust-root.reader.ts';
import { wireTime } from '../wire-time.ts';
import { AuthorityFault } from './authority.fault.ts';
import { type Authority, type AuthorityState, CertificateReader } from './certificate.reader.ts';
import { CertificateStore } from './certificate.store.ts';

/** What becomes of authorities after a ceremony: one takes over, and the one before it retires in its time. */
@Injectable()
export class MoveAuthority {
  constructor(
    private readonly db: Db,
    private readonly reader: CertificateReader,
    private readonly store: CertificateStore,
    private readonly revocations: RevocationReader,
    private readonly trustRoot: TrustRootReader,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  /**
   * A standby authority signs from now on what its role signs. The one before it is retiring: an issuing CA goes on signing its
   * CRLs, and finishes what had been announced under it; a time-stamping authority has nothing left to do.
   * Devices must be able to know it before: the trust root lists it, and it has a CRL.
   */
  activate(member: Identity, name: string, note: string): Promise<void> {
    return this.change(async (tx) => {
      const authorities = await this.reader.authorities(tx);
      const next = await this.load(tx, name, 'standby');
      if ((await this.store.announcerOf(tx, name)) === member.name) {
        const message = 'You have announced this authority: another member must activate it.';
        throw new AuthorityFault('authority/own-announcement', message);
      }
      await this.refuseUnpublished(tx, next);
      const before = authorities.find(({ role, state }) => role === next.role && state === 'active');
      const { entryId } = await this.log(tx, 'authority-activated', next, { instead: before?.name });
      if (before !== undefined) await this.move(tx, before, 'retiring', member, entryId, note);
      await this.move(tx, next, 'active', member, entryId, note);
    });
  }

  /** A retiring CA has nothing left to sign, not even a CRL: all that it has certified has expired. */
  retire(member: Identity, name: string, note: string): Promise<void> {
    return this.change(async (tx) => {
      const authority = await this.load(tx, name, 'retiring');
      const last = await this.store.lastExpiry(tx, authority);
      if (last !== undefined && last >= this.clock.now()) {
        const message = `Certificates of ${name} are valid until ${wireTime(last)}.`;
        throw new AuthorityFault('authority/in-use', message);
      }
      const { entryId } = await this.log(tx, 'authority-retired', authority, {});
      await this.move(tx, authority, 'retired', member, entryId, note);
    });
  }

  private async change(work: (tx: Tx) => Promise<void>): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.store.lockAuthorities(tx);
      await work(tx);
    });
    this.reader.forgetAuthorities();
  }

  private async load(tx: Tx, name: string, state: AuthorityState): Promise<Authority> {
    const found = (await this.reader.authorities(tx)).find((one) => one.name === name);
    if (found === undefined) throw new AuthorityFault('authority/not-found', 'There is no authority of this name.');
    if (found.state === state) return found;
    throw new AuthorityFault('authority/wrong-state', `${name} is ${found.state}, and must be ${state}.`);
  }

  /** The certificate of a time-stamping authority travels with its stamps: what must be known is the CA above it. */
  private async refuseUnpublished(tx: Tx, authority: Authority): Promise<void> {
    const known = authority.role === 'tsa' ? await this.reader.loadIssuerOf(authority, tx) : authority;
    if (!(await this.trustRoot.lists(known.der, tx))) {
      const message = `The trust root does not list ${known.name} yet: its targets must be signed anew.`;
      throw new AuthorityFault('authority/not-published', message);
    }
    const signsCrls = authority.role === 'issuing' || authority.role === 'root';
    if (signsCrls && !(await this.revocations.crls(tx)).some(({ ca }) => ca === authority.name)) {
      throw new AuthorityFault('authority/not-published', `There is no CRL of ${authority.name} yet.`);
    }
  }

  private log(tx: Tx, record: string, { name, role, certificate }: Authority, more: object) {
    const { fingerprint } = certificate;
    return this.record.run(tx, {
      subject: `authority:${name}`,
      payload: { record, at: wireTime(this.clock.now()), authority: name, role, fingerprint, ...more },
      mentions: [`sha256:${fingerprint}`],
    });
  }

  private async move(
    tx: Tx,
    { name, role }: Authority,
    state: AuthorityState,
    member: Identity,
    entryId: string,
    note: string,
  ): Promise<void> {
    await this.store.moveAuthority(tx, name, state, this.clock.now(), { member: member.name, entryId });
    await this.audit.append(tx, {
      ...{ actor: member.name, action: `authority-${state}`, subject: `authority:${name}` },
      detail: { role, note, entryId },
    });
  }
}
