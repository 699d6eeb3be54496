import { Injectable } from '@nestjs/common';
import type { PublicKey } from '@margo-trust/crypto';
import { checkSignatureOnPool } from '@margo-trust/crypto/async';
import {
  assembleSigned,
  type Assurance,
  type Certificate,
  certificateSignatureAlgorithm,
  embedScts,
  encodeTbsCertificate,
  leafProfile,
  lintLeaf,
  parseCertificate,
  shapeSerial,
} from '@margo-trust/x509';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import type { Committed } from '../db/db.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { authoritySlot } from '../keys/slots.ts';
import { SignSct } from '../log/sign-sct.ts';
import { Random } from '../random.ts';
import { TrustSteps } from '../trust-steps.ts';
import { wholeSeconds } from '../wire-time.ts';
import type { CertificateOrder } from './certificate-order.ts';
import { CertificateFault } from './certificate.fault.ts';
import { type Authority, CertificateReader, type Precertificate } from './certificate.reader.ts';
import { signTbs } from './sign-certificate.ts';

/** CRLs of a CA. Each certificate names one of them for its whole life, so their number never changes. */
export const CRL_SHARDS = 128;

/** The shard of a certificate: the low seven bits of its serial number, which is random. */
export function shardOf(serial: Uint8Array): number {
  return (serial.at(-1) ?? 0) % CRL_SHARDS;
}

const DAY_MS = 86_400_000;

/** A certificate of a build is not revoked: it must end by itself on the day (RFC 9608 §1). */
const VALID_DAYS: Readonly<Record<Assurance, number>> = { hardware: 397, software: 397, ci: 1 };

const RETIRED = 'The CA that was to sign this certificate has retired since: make a new key.';

/** For clocks that lag behind ours. */
const BACK_DATED_MS = 60_000;

/** In place of a signature with P-384, raw: r = s = 1…1. */
const NOBODYS = new Uint8Array(96).fill(1);

/** A certificate that nobody has signed yet. */
export type LeafDraft = Pick<Certificate, 'tbs' | 'serialHex' | 'spki' | 'notBefore' | 'notAfter'>;

/**
 * Makes a vendor's certificate that keeps the profile, or none at all, in two steps: what it will say, which must be logged;
 * then the CA's signature, which nobody gets without the log's promise.
 *
 * The lint looks at finished bytes. So the same bytes are first rehearsed with something in place of the signature that vouches for
 * nothing (as RFC 9925), and the CA's key signs only what passed: a signature once made can't be taken back. Then it is
 * verified, so that a fault in signing is not handed out.
 */
@Injectable()
export class SignLeaf {
  constructor(
    private readonly reader: CertificateReader,
    private readonly keys: KeyRing,
    private readonly sct: SignSct,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly steps: TrustSteps,
  ) {}

  /** What the certificate will say, by this CA and without the promise that it is logged. Throws when it breaks the profile. */
  async draft({ name, certificate: issuer }: Authority, order: CertificateOrder): Promise<LeafDraft> {
    const { vendor, key, commonName, assurance, workload } = order;
    const notBefore = new Date(wholeSeconds(this.clock.now()).getTime() - BACK_DATED_MS);
    const { C: country, ST: state, O: organization } = vendor.subject;
    const serial = shapeSerial(this.random.bytes(16));
    const spec = leafProfile({
      serial,
      subject: { country, state, organization, commonName },
      notBefore,
      notAfter: new Date(notBefore.getTime() + VALID_DAYS[assurance] * DAY_MS),
      publicKey: key,
      issuer,
      vendorUri: vendor.uri,
      registry: this.registry,
      assurance,
      ...(workload && { workload }),
      crlUrl: await this.reader.publicationUrl(`/crl/${name}/${shardOf(serial)}.crl`),
      caIssuersUrl: await this.reader.publicationUrl(`/ca/${name}.crt`),
    });
    return this.rehearse(encodeTbsCertificate(spec), issuer);
  }

  /** Sees to it that this process knows the keys that promise now: once before those of a batch. */
  async prepare(): Promise<void> {
    await this.sct.prepare();
  }

  /** The certificate itself, with the log's promise in it; after {@link prepare}. */
  async issue(logged: Committed<Precertificate>): Promise<Certificate> {
    const { certificate: issuer, state } = await this.reader.loadAuthority(logged.issuer);
    if (state === 'retired') throw new CertificateFault('certificate/ca-retired', RETIRED);
    const promised = embedScts(logged.tbs, [await this.sct.run(logged, issuer.spki)]);
    await this.steps.reached('certificate promised');
    this.rehearse(promised, issuer, this.sct.keyAt(logged.loggedAt));
    const certificate = await signTbs(promised, this.keys.load(authoritySlot(logged.issuer)));
    await this.verify(certificate, issuer);
    await this.steps.reached('certificate signed');
    return certificate;
  }

  /** With `log` the lint verifies its promise too. */
  private rehearse(tbs: Uint8Array, issuer: Certificate, log?: PublicKey): Certificate {
    const rehearsal = parseCertificate(assembleSigned(tbs, certificateSignatureAlgorithm(issuer.publicKey), NOBODYS));
    const context = { issuer, registry: this.registry, isRehearsal: true, ...(log && { log }) };
    const findings = lintLeaf(rehearsal, context);
    if (findings.length === 0) return rehearsal;
    throw new CertificateFault('certificate/profile-violation', `This would not do: ${findings.join('; ')}.`);
  }

  private async verify({ tbs, signature }: Certificate, { publicKey: key }: Certificate): Promise<void> {
    const algorithm = certificateSignatureAlgorithm(key);
    await checkSignatureOnPool({ algorithm, key, data: tbs, signature, encoding: 'der' }).catch((cause: unknown) => {
      throw new Error('The CA made a signature that does not verify.', { cause });
    });
  }

  private get registry(): string {
    return `https://${this.config.domain}`;
  }
}
