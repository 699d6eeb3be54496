import { Injectable } from '@nestjs/common';
import { sha256 } from '@margo-trust/crypto';
import {
  assembleSigned,
  type Certificate,
  certificateSignatureAlgorithm,
  type CrlScope,
  encodeTbsCrl,
  lintCrl,
} from '@margo-trust/x509';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import type { Tx } from '../db/db.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { crlPath, type CrlPlan } from './crl-plans.ts';
import type { ListedCertificate } from './revocation.reader.ts';

/** A CRL to be signed. */
export interface CrlDraft {
  readonly shard: number;
  readonly number: bigint;
  readonly entries: readonly ListedCertificate[];
  /** In whole seconds. */
  readonly thisUpdate: Date;
}

export interface SignedCrl {
  readonly body: Uint8Array;
  readonly sha256: Uint8Array;
  readonly nextUpdate: Date;
}

/** Signs the CRLs of one CA, and looks at each as a stranger would before anybody gets it. */
export class CrlSigner {
  constructor(
    private readonly issuer: Certificate,
    private readonly sign: (tbs: Uint8Array) => Promise<Uint8Array>,
    private readonly scopeOf: (shard: number) => CrlScope,
  ) {}

  async run({ shard, number, entries, thisUpdate }: CrlDraft, currentForMs: number): Promise<SignedCrl> {
    const { issuer } = this;
    const scope = this.scopeOf(shard);
    const nextUpdate = new Date(thisUpdate.getTime() + currentForMs);
    const tbs = encodeTbsCrl({ issuer, number, thisUpdate, nextUpdate, entries: entries.map(toEntry), scope });
    const body = assembleSigned(tbs, certificateSignatureAlgorithm(issuer.publicKey), await this.sign(tbs));
    const findings = lintCrl(body, { issuer, scope });
    if (findings.length > 0) throw new Error(`CRL ${shard} breaks the profile: ${findings.join('; ')}.`);
    return { body, sha256: sha256(body), nextUpdate };
  }
}

/** Makes the signer of a CA's CRLs, from its certificate and its key. */
@Injectable()
export class SignCrls {
  constructor(
    private readonly certificates: CertificateReader,
    private readonly keys: KeyRing,
  ) {}

  async open(tx: Tx, { ca, slot, holds }: CrlPlan): Promise<CrlSigner> {
    const { certificate: issuer } = await this.certificates.loadAuthority(ca, tx);
    const signer = this.keys.load(slot);
    if (signer.algorithm !== certificateSignatureAlgorithm(issuer.publicKey)) {
      throw new Error(`The key in ${slot} is not that of ${ca}.`);
    }
    const base = holds === 'leaves' ? await this.certificates.publicationUrl('', tx) : '';
    return new CrlSigner(
      issuer,
      (tbs) => signer.sign(tbs),
      (shard) => (holds === 'leaves' ? { holds, url: `${base}${crlPath(ca, shard)}` } : { holds }),
    );
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
