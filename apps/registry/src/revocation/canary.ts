import { Injectable, Logger } from '@nestjs/common';
import { Fault } from '@margo-trust/fault';
import { parseTimestamp } from '@margo-trust/tuf';
import { parseCrl, verifyCrl } from '@margo-trust/x509';
import { Gauge } from 'prom-client';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import { Metrics } from '../http/metrics.ts';
import { wireTime } from '../wire-time.ts';
import { CanaryStore } from './canary.store.ts';
import { crlPath, type CrlPlan, planCrls } from './crl-plans.ts';

/** What looking at an output found. */
interface Finding {
  readonly kind: 'old' | 'wrong';
  readonly sentence: string;
}

const EVERY_MS = 60_000;
/** Shards of each CA that are looked at each time: all of them within half an hour. */
const SHARDS_AT_ONCE = 5;
const PATIENCE_MS = 5_000;
const MOST_BYTES = 16 << 20;
const HOUR = 3_600_000;

/**
 * Fetches the published outputs as a client would, over the addresses that clients use, and judges them as one: there, signed by whom they should
 * be, current and not growing old. What a job believes to have published is one thing; what readers get, behind proxies
 * and caches, is another.
 *
 * What grows old makes the service not ready, hours before clients refuse it. What cannot be fetched, or does not hold, is alarm enough
 * in the logger and in the metric: an address that only this host cannot reach must not take the service down.
 */
@Injectable()
export class Canary {
  private readonly logger = new Logger(Canary.name);
  private readonly gauge: Gauge;
  private watchingSince: number | undefined;

  constructor(
    private readonly store: CanaryStore,
    private readonly certificates: CertificateReader,
    private readonly config: Config,
    private readonly clock: Clock,
    metrics: Metrics,
  ) {
    this.gauge = new Gauge({
      name: 'margo_canary_findings',
      help: 'Published outputs that grow old, or that could not be fetched or do not hold, as the canary last saw them.',
      labelNames: ['kind'],
      registers: [metrics.registry],
    });
  }

  /** Once a minute, whichever process looks; and not before this one has run for a minute, since it may be the one that serves. */
  async isDue(): Promise<boolean> {
    const now = this.clock.now().getTime();
    this.watchingSince ??= now;
    const last = await this.store.find();
    return now - Math.max(this.watchingSince, last?.lookedAt.getTime() ?? 0) >= EVERY_MS;
  }

  async run(): Promise<void> {
    const last = await this.store.find();
    const from = last?.nextShard ?? 0;
    const plans = planCrls(await this.certificates.authorities());
    if (plans.length === 0) return; // before genesis
    const shards = Array.from({ length: SHARDS_AT_ONCE }, (_, n) => (from + n) % 128);
    const looks = [
      this.lookAtTimestamp(),
      ...plans.flatMap((plan) =>
        shards.filter((shard) => shard < plan.shards).map((shard) => this.lookAtCrl(plan, shard)),
      ),
    ];
    const found = (await Promise.all(looks)).flatMap((finding) => finding ?? []);
    const sentences = (kind: Finding['kind']) =>
      found.filter((one) => one.kind === kind).map(({ sentence }) => sentence);
    const [old, wrong] = [sentences('old'), sentences('wrong')];
    await this.store.note({ lookedAt: this.clock.now(), nextShard: (from + SHARDS_AT_ONCE) % 128, old, wrong });
    this.gauge.set({ kind: 'old' }, old.length);
    this.gauge.set({ kind: 'wrong' }, wrong.length);
    for (const sentence of [...old, ...wrong]) this.logger.error({ msg: `Canary: ${sentence}` });
  }

  /** For /readyz: outputs that grow old. */
  async complaint(): Promise<string | undefined> {
    const last = await this.store.find();
    return last === undefined || last.old.length === 0 ? undefined : last.old.join(' ');
  }

  private async lookAtCrl(plan: CrlPlan, shard: number): Promise<Finding | undefined> {
    const url = await this.certificates.publicationUrl(crlPath(plan.ca, shard));
    return this.look(url, async (bytes) => {
      const crl = parseCrl(bytes);
      verifyCrl(crl, (await this.certificates.loadAuthority(plan.ca)).certificate);
      if (plan.holds === 'leaves' && crl.distributionPoint !== url) return wrong(url, 'is the CRL of another shard.');
      const ageMs = this.clock.now().getTime() - crl.thisUpdate.getTime();
      return ageMs < 2 * plan.renewAfterMs ? undefined : old(url, `was signed at ${wireTime(crl.thisUpdate)}.`);
    });
  }

  private lookAtTimestamp(): Promise<Finding | undefined> {
    const url = `${this.config.publicUrl}/tuf/timestamp.json`;
    return this.look(url, (bytes) => {
      const { expires } = parseTimestamp(bytes);
      const leftMs = expires.getTime() - this.clock.now().getTime();
      return leftMs > 5 * 24 * HOUR ? undefined : old(url, `ends at ${wireTime(expires)}.`);
    });
  }

  /** Nothing that a stranger answers may end the job. */
  private async look(
    url: string,
    judge: (bytes: Uint8Array) => Promise<Finding | undefined> | Finding | undefined,
  ): Promise<Finding | undefined> {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS), redirect: 'error' });
      if (!response.ok) return wrong(url, `answers ${response.status}.`);
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (bytes.length > MOST_BYTES) return wrong(url, 'is far too large.');
      return await judge(bytes);
    } catch (error) {
      if (error instanceof Fault) return wrong(url, `does not hold: ${error.message}`);
      return wrong(url, `cannot be fetched: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }
}

function old(url: string, what: string): Finding {
  return { kind: 'old', sentence: `${url} ${what}` };
}

function wrong(url: string, what: string): Finding {
  return { kind: 'wrong', sentence: `${url} ${what}` };
}
