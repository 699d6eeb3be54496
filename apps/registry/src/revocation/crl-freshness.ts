import { Injectable } from '@nestjs/common';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import { wireTime } from '../wire-time.ts';
import { planCrls } from './crl-plans.ts';
import { RevocationReader } from './revocation.reader.ts';

/** Says when a CRL of leaves is not renewed as it should be: long before it ends, so that somebody can still act. */
@Injectable()
export class CrlFreshness {
  constructor(
    private readonly certificates: CertificateReader,
    private readonly revocations: RevocationReader,
    private readonly clock: Clock,
  ) {}

  async complaint(): Promise<string | undefined> {
    const plans = planCrls(await this.certificates.authorities()).filter(({ holds }) => holds === 'leaves');
    if (plans.length === 0) return undefined; // before genesis
    const crls = await this.revocations.crls();
    for (const { ca, shards, renewAfterMs } of plans) {
      const own = crls.filter((crl) => crl.ca === ca);
      if (own.length < shards) return `There is no CRL of ${ca} for each shard yet.`;
      const oldest = new Date(Math.min(...own.map(({ thisUpdate }) => thisUpdate.getTime())));
      if (this.clock.now().getTime() - oldest.getTime() < 2 * renewAfterMs) continue;
      return `A CRL of ${ca} was last signed at ${wireTime(oldest)}: is the worker running?`;
    }
    return undefined;
  }
}
