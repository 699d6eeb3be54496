import { Injectable } from '@nestjs/common';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import { Db, type Tx } from '../db/db.ts';
import { fresh, type PublishedFile, PublishedFiles } from '../http/published-files.store.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { HeadSigner } from '../log/head-signer.ts';
import { LogReader } from '../log/log.reader.ts';
import { TrustSteps } from '../trust-steps.ts';
import { wholeSeconds } from '../wire-time.ts';
import { crlPath, type CrlPlan, planCrls, twinPath } from './crl-plans.ts';
import { PublishFeeds } from './publish-feeds.ts';
import { type CrlState, type ListedCertificate, RevocationReader } from './revocation.reader.ts';
import { type NewCrl, type NewTwin, RevocationStore } from './revocation.store.ts';
import { SignCrls } from './sign-crl.ts';

/** What is to be signed of one CA. */
interface DueCrls {
  readonly plan: CrlPlan;
  readonly shards: readonly {
    readonly shard: number;
    readonly latest: CrlState | undefined;
    readonly isTwinDue: boolean;
  }[];
}

/**
 * Keeps the published CRLs and feeds true: signs those shards again that a decision since concerns, or that grow old. A root's is
 * signed at genesis and whenever its key is at hand.
 *
 * Any number of processes may run it at once: they take turns, and who comes second finds nothing to do. All that a decision
 * changes becomes visible in one commit. A crash leaves the old CRLs, and the work still due.
 *
 * A number must be larger than that of every CRL anybody has ever seen, even when the database was restored from a backup that
 * has forgotten some of them. So it begins with the size of the log, which only grows: a log that is shorter than somebody outside
 * has seen signs nothing, CRLs included (log/rollback). The time in seconds follows, for renewals between two entries.
 */
@Injectable()
export class IssueCrl {
  constructor(
    private readonly db: Db,
    private readonly certificates: CertificateReader,
    private readonly revocations: RevocationReader,
    private readonly store: RevocationStore,
    private readonly signers: SignCrls,
    private readonly feeds: PublishFeeds,
    private readonly files: PublishedFiles,
    private readonly keys: KeyRing,
    private readonly log: LogReader,
    private readonly heads: HeadSigner,
    private readonly clock: Clock,
    private readonly steps: TrustSteps,
  ) {}

  /** Cheap enough to be asked every second. */
  async isDue(): Promise<boolean> {
    const plans = await this.plans();
    if (plans.length === 0) return false; // before genesis
    const sequence = await this.revocations.sequence();
    const progress = await this.revocations.progress();
    if (plans.some(({ ca }) => (progress.get(ca) ?? -1n) < sequence)) return true;
    const states = byShard(await this.revocations.crls());
    return plans.some((plan) => this.aged(plan, states).length > 0);
  }

  async run(): Promise<void> {
    await this.db.transaction((tx) => this.runIn(tx));
    await this.steps.reached('CRLs committed');
  }

  private async runIn(tx: Tx): Promise<void> {
    await this.store.lockCrls(tx);
    const plans = await this.plans(tx);
    // Before what it covers is read: a decision in between is found again next time, and is not missed.
    const sequence = await this.revocations.sequence(tx);
    const progress = await this.revocations.progress(tx);
    const due = await this.findDue(tx, plans, progress);
    const isDecided = plans.some(({ ca }) => progress.get(ca) !== sequence);
    if (due.length === 0 && !isDecided) return;
    const listed = await this.revocations.listed(tx);
    if (due.length > 0) await this.sign(tx, due, sequence, listed);
    if (!isDecided) return;
    await this.store.noteProgress(
      tx,
      plans.map(({ ca }) => ca),
      sequence,
    );
    await this.feeds.run(tx, listed);
    await this.steps.reached('feeds published');
  }

  private async plans(tx?: Tx): Promise<CrlPlan[]> {
    return planCrls(await this.certificates.authorities(tx)).filter(({ slot }) => this.keys.has(slot));
  }

  private async findDue(tx: Tx, plans: readonly CrlPlan[], progress: ReadonlyMap<string, bigint>): Promise<DueCrls[]> {
    const states = byShard(await this.revocations.crls(tx));
    const concerned = await this.revocations.concernedSince(
      tx,
      [...progress.values()].reduce(smaller, progress.get(plans[0]?.ca ?? '') ?? 0n),
    );
    return plans.flatMap((plan) => {
      const changed = concerned.get(plan.ca) ?? new Set();
      const shards = [...new Set([...changed, ...this.aged(plan, states)])].sort((a, b) => a - b);
      if (shards.length === 0) return [];
      const isTwinDue = (shard: number) =>
        changed.has(shard) || this.isTwinOld(plan, states.get(`${plan.ca}/${shard}`));
      return [
        {
          plan,
          shards: shards.map((shard) => ({
            ...{
              shard,
              latest: states.get(`${plan.ca}/${shard}`),
              isTwinDue: plan.twin !== undefined && isTwinDue(shard),
            },
          })),
        },
      ];
    });
  }

  /** Shards that there is no CRL of, or an old one. */
  private aged(plan: CrlPlan, states: ReadonlyMap<string, CrlState>): number[] {
    const now = this.clock.now().getTime();
    return Array.from({ length: plan.shards }, (_, shard) => shard).filter((shard) => {
      const latest = states.get(`${plan.ca}/${shard}`);
      return latest === undefined || now - latest.thisUpdate.getTime() >= plan.renewAfterMs;
    });
  }

  private isTwinOld({ twin }: CrlPlan, latest: CrlState | undefined): boolean {
    if (twin === undefined) return false;
    if (latest?.twin === undefined) return true;
    return latest.twin.nextUpdate.getTime() - this.clock.now().getTime() <= twin.currentForMs - twin.renewAfterMs;
  }

  private async sign(
    tx: Tx,
    due: readonly DueCrls[],
    sequence: bigint,
    leaves: readonly ListedCertificate[],
  ): Promise<void> {
    const thisUpdate = wholeSeconds(this.clock.now());
    const atLeast = await this.leastNumber(thisUpdate);
    const listed = groupByShard([...leaves, ...(await this.revocations.listedCas(tx))]);
    const [crls, twins]: [NewCrl[], NewTwin[]] = [[], []];
    const files: Record<string, Omit<PublishedFile, 'etag'>> = {};
    for (const { plan, shards } of due) {
      const { ca, twin } = plan;
      const signer = await this.signers.open(tx, plan);
      for (const { shard, latest, isTwinDue } of shards) {
        const number = latest !== undefined && latest.number >= atLeast ? latest.number + 1n : atLeast;
        const draft = { shard, number, thisUpdate, entries: listed.get(`${ca}/${shard}`) ?? [] };
        const crl = await signer.run(draft, plan.currentForMs);
        crls.push({ ca, shard, number, thisUpdate, nextUpdate: crl.nextUpdate, sequence, sha256: crl.sha256 });
        files[crlPath(ca, shard)] = toFile(crl.body);
        if (!twin || !isTwinDue) continue;
        const long = await signer.run(draft, twin.currentForMs);
        twins.push({ ca, shard, number, sha256: long.sha256, nextUpdate: long.nextUpdate });
        files[twinPath(ca, shard)] = toFile(long.body);
      }
    }
    await this.steps.reached('CRLs signed');
    await this.store.insertCrls(tx, crls, twins);
    await this.steps.reached('CRLs stored');
    await this.files.publishAll(tx, files);
    await this.steps.reached('CRLs published');
  }

  private async leastNumber(now: Date): Promise<bigint> {
    const head = await this.log.findHead();
    if (head !== undefined) await this.heads.signCheckpoint(head); // throws where the log has fallen back
    return ((head?.size ?? 0n) << 32n) + BigInt(now.getTime() / 1_000);
  }
}

function byShard(states: readonly CrlState[]): Map<string, CrlState> {
  return new Map(states.map((state) => [`${state.ca}/${state.shard}`, state]));
}

function groupByShard(listed: readonly ListedCertificate[]): Map<string, ListedCertificate[]> {
  const groups = new Map<string, ListedCertificate[]>();
  for (const one of listed) {
    const key = `${one.issuer}/${one.shard}`;
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
  }
  return groups;
}

function toFile(body: Uint8Array): Omit<PublishedFile, 'etag'> {
  return { body, contentType: 'application/pkix-crl', cacheControl: fresh(5) };
}

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
