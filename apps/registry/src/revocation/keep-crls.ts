import { Injectable } from '@nestjs/common';
import { Fault } from '@margo-trust/fault';
import { sha256 } from '@margo-trust/crypto';
import { type Certificate, lintCrl, parseCrl } from '@margo-trust/x509';
import type { AuthorityName } from '../certificates/certificate.reader.ts';
import type { Tx } from '../db/db.ts';
import { fresh, PublishedFiles } from '../http/published-files.store.ts';
import { StartError } from '../start-error.ts';
import { crlPath } from './crl-plans.ts';
import { RevocationStore } from './revocation.store.ts';

/** The CRL of a root, from a ceremony. */
export interface GivenCrl {
  readonly ca: AuthorityName;
  readonly der: Uint8Array;
  readonly number: bigint;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
}

/** Reads the first CRL of a root: about CAs, signed by it, with nothing on it, and current. Throws StartError. */
export function readGivenCrl(ca: AuthorityName, der: Uint8Array, issuer: Certificate, now: Date): GivenCrl {
  try {
    const findings = lintCrl(der, { issuer, scope: { holds: 'cas' } });
    const { number, thisUpdate, nextUpdate, entries } = parseCrl(der);
    if (entries.size > 0) findings.push('a new root has revoked nothing');
    if (nextUpdate === undefined || nextUpdate <= now) findings.push('it has ended');
    if (findings.length > 0 || number === undefined || nextUpdate === undefined) throw unfit(ca, findings.join('; '));
    return { ca, der, number, thisUpdate, nextUpdate };
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw unfit(ca, cause.message, { cause });
  }
}

/** Takes the first CRLs of CAs whose keys are elsewhere, and publishes them. */
@Injectable()
export class KeepCrls {
  constructor(
    private readonly store: RevocationStore,
    private readonly files: PublishedFiles,
  ) {}

  async run(tx: Tx, crls: readonly GivenCrl[]): Promise<void> {
    if (crls.length === 0) return;
    await this.store.insertCrls(
      tx,
      crls.map(({ der, ...crl }) => ({ ...crl, shard: 0, sequence: 0n, sha256: sha256(der) })),
      [],
    );
    for (const { ca, der } of crls) {
      const file = { body: der, contentType: 'application/pkix-crl', cacheControl: fresh(5) };
      await this.files.publish(tx, crlPath(ca, 0), file);
    }
  }
}

function unfit(ca: AuthorityName, why: string, options?: ErrorOptions): StartError {
  return new StartError(`The CRL of ${ca} does not do: ${why}.`, options);
}
