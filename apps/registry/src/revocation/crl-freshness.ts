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
    for (const { ca, shard, renewAfterMs } of plans) {
      const latest = crls.find((crl) => crl.ca === ca && crl.shard === shard);
      if (latest === undefined) return `There is no CRL of ${ca} yet.`;
      const ageMs = this.clock.now().getTime() - latest.thisUpdate.getTime();
      if (ageMs < 2 * renewAfterMs) continue;
      return `The CRL of ${ca} was last signed at ${wireTime(latest.thisUpdate)}: is the worker running?`;
    }
    return undefined;
  }
}
