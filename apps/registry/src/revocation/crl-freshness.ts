import { Injectable } from '@nestjs/common';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import { wireTime } from '../wire-time.ts';
import { LEAVES } from './crl-plans.ts';
import { RevocationReader } from './revocation.reader.ts';

/** Says when the leaves' CRL is not renewed as it should be: long before it ends, so that somebody can still act. */
@Injectable()
export class CrlFreshness {
  constructor(
    private readonly certificates: CertificateReader,
    private readonly revocations: RevocationReader,
    private readonly clock: Clock,
  ) {}

  async complaint(): Promise<string | undefined> {
    if ((await this.certificates.authorities()).length === 0) return undefined; // before genesis
    const latest = (await this.revocations.crls()).find(({ ca, shard }) => ca === LEAVES.ca && shard === LEAVES.shard);
    if (latest === undefined) return `There is no CRL of ${LEAVES.ca} yet.`;
    const ageMs = this.clock.now().getTime() - latest.thisUpdate.getTime();
    if (ageMs < 2 * LEAVES.renewAfterMs) return undefined;
    return `The CRL of ${LEAVES.ca} was last signed at ${wireTime(latest.thisUpdate)}: is the worker running?`;
  }
}
