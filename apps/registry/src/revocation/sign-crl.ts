import { Injectable } from '@nestjs/common';
import { sha256 } from '@margo-trust/crypto';
import { assembleSigned, certificateSignatureAlgorithm, type CrlScope, encodeTbsCrl, lintCrl } from '@margo-trust/x509';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import type { Tx } from '../db/db.ts';
import { fresh, PublishedFiles } from '../http/published-files.store.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { LogReader } from '../log/log.reader.ts';
import { wholeSeconds } from '../wire-time.ts';
import type { CrlPlan } from './crl-plans.ts';
import { type ListedCertificate, RevocationReader } from './revocation.reader.ts';
import { RevocationStore } from './revocation.store.ts';

/**
 * Signs the CRL of one shard as of now and publishes it, in the caller's transaction and under `lockCrls`.
 *
 * Its number must be larger than that of every CRL anybody has ever seen, even when the database was restored from a backup
 * that has forgotten some of them: so it follows the clock and the size of the log too.
 */
@Injectable()
export class SignCrl {
  constructor(
    private readonly certificates: CertificateReader,
    private readonly revocations: RevocationReader,
    private readonly store: RevocationStore,
    private readonly files: PublishedFiles,
    private readonly log: LogReader,
    private readonly keys: KeyRing,
    private readonly clock: Clock,
  ) {}

  async run(tx: Tx, plan: CrlPlan): Promise<void> {
    const { ca, shard, path } = plan;
    const { certificate: issuer } = await this.certificates.loadAuthority(ca, tx);
    const signer = this.keys.load(plan.slot);
    const algorithm = certificateSignatureAlgorithm(issuer.publicKey);
    if (signer.algorithm !== algorithm) throw new Error(`The key in ${plan.slot} is not that of ${ca}.`);

    const sequence = await this.revocations.sequence(tx);
    const listed = await this.revocations.listed(tx);
    const thisUpdate = wholeSeconds(this.clock.now());
    const nextUpdate = new Date(thisUpdate.getTime() + plan.currentForMs);
    const number = await this.nextNumber(tx, plan, thisUpdate);
    const scope: CrlScope =
      plan.holds === 'leaves'
        ? { holds: 'leaves', url: await this.certificates.publicationUrl(path, tx) }
        : { holds: 'cas' };
    const entries = listed.filter((one) => one.issuer === ca && one.shard === shard).map(toEntry);

    const tbs = encodeTbsCrl({ issuer, number, thisUpdate, nextUpdate, entries, scope });
    const body = assembleSigned(tbs, algorithm, await signer.sign(tbs));
    const findings = lintCrl(body, { issuer, scope });
    if (findings.length > 0) throw new Error(`The CRL of ${ca} breaks the profile: ${findings.join('; ')}.`);

    await this.store.insertCrl(tx, { ca, shard, number, sha256: sha256(body), thisUpdate, nextUpdate, sequence });
    await this.files.publish(tx, path, { body, contentType: 'application/pkix-crl', cacheControl: fresh(5) });
  }

  private async nextNumber(tx: Tx, { ca, shard }: CrlPlan, now: Date): Promise<bigint> {
    const latest = (await this.revocations.crls(tx)).find((crl) => crl.ca === ca && crl.shard === shard);
    const size = (await this.log.findHead())?.size ?? 0n;
    const candidates = [(latest?.number ?? 0n) + 1n, size, BigInt(now.getTime() / 1_000)];
    return candidates.reduce((largest, candidate) => (candidate > largest ? candidate : largest));
  }
}

/**
 * CSBR §4.9.13 wants revocation and invalidity date to be the same: readers that know only the former then judge as those
 * that know both. When it was really decided stands in the log.
 */
function toEntry({ serial, reason, revokedAt, invalidityDate }: ListedCertificate) {
  return {
    serialHex: serial,
    reason,
    revokedAt: invalidityDate ?? revokedAt,
    ...(invalidityDate && { invalidityDate }),
  };
}
