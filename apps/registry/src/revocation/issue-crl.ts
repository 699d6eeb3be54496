import { Injectable } from '@nestjs/common';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import { Db, type Tx } from '../db/db.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { type CrlPlan, planCrls } from './crl-plans.ts';
import { RevocationReader } from './revocation.reader.ts';
import { RevocationStore } from './revocation.store.ts';
import { SignCrl } from './sign-crl.ts';

/**
 * Keeps the published CRLs true: signs one again when something was revoked since, or when it grows old. The root's is
 * signed at genesis and whenever its key is at hand.
 *
 * Any number of processes may run it at once: they take turns, and who comes second finds nothing to do. A crash leaves the
 * old CRL, and the work still due.
 */
@Injectable()
export class IssueCrl {
  constructor(
    private readonly db: Db,
    private readonly certificates: CertificateReader,
    private readonly revocations: RevocationReader,
    private readonly store: RevocationStore,
    private readonly sign: SignCrl,
    private readonly keys: KeyRing,
    private readonly clock: Clock,
  ) {}

  /** Cheap enough to be asked every second. */
  async isDue(): Promise<boolean> {
    return (await this.findDue()).length > 0;
  }

  async run(): Promise<void> {
    await this.db.transaction((tx) => this.runIn(tx));
  }

  /** The same inside the caller's transaction, for genesis. */
  async runIn(tx: Tx): Promise<void> {
    await this.store.lockCrls(tx);
    for (const plan of await this.findDue(tx)) await this.sign.run(tx, plan);
  }

  private async findDue(tx?: Tx): Promise<CrlPlan[]> {
    const plans = planCrls(await this.certificates.authorities(tx)); // none before genesis
    if (plans.length === 0) return [];
    const crls = await this.revocations.crls(tx);
    const sequence = await this.revocations.sequence(tx);
    const now = this.clock.now().getTime();
    return plans.filter((plan) => {
      if (!this.keys.has(plan.slot)) return false;
      const latest = crls.find(({ ca, shard }) => ca === plan.ca && shard === plan.shard);
      if (latest === undefined || now - latest.thisUpdate.getTime() >= plan.renewAfterMs) return true;
      return plan.holds === 'leaves' && latest.sequence < sequence;
    });
  }
}
