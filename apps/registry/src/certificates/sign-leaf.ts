import { Injectable } from '@nestjs/common';
import { parsePublicKey } from '@margo-trust/crypto';
import {
  type Assurance,
  type Certificate,
  embedScts,
  leafProfile,
  type LeafContext,
  lintLeaf,
  encodeTbsCertificate,
  shapeSerial,
  verifySct,
} from '@margo-trust/x509';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import type { Committed } from '../db/db.ts';
import { generateKey } from '../keys/development-keys.ts';
import { KeyObjectSigner } from '../keys/key-object-signer.ts';
import { KeyRing } from '../keys/key-ring.ts';
import type { Signer } from '../keys/signer.ts';
import { authoritySlot } from '../keys/slots.ts';
import { SignSct } from '../log/sign-sct.ts';
import { Random } from '../random.ts';
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

/** A certificate that nobody has signed yet. */
export type LeafDraft = Pick<Certificate, 'tbs' | 'serialHex' | 'spki' | 'notBefore' | 'notAfter'>;

/**
 * Makes a vendor's certificate that keeps the profile, or none at all, in two steps: what it will say, which must be logged;
 * then the CA's signature, which nobody gets without the log's promise.
 *
 * The lint looks at finished bytes. So the same bytes are first signed with a key that vouches for nothing, and the CA's key
 * signs only what passed: a signature once made can't be taken back. Then it looks at what the CA has signed.
 */
@Injectable()
export class SignLeaf {
  private throwAway: Signer | undefined;

  constructor(
    private readonly reader: CertificateReader,
    private readonly keys: KeyRing,
    private readonly sct: SignSct,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly random: Random,
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

  /** The certificate itself, with the log's promise in it. */
  async issue(logged: Committed<Precertificate>): Promise<Certificate> {
    const { certificate: issuer, state } = await this.reader.loadAuthority(logged.issuer);
    if (state === 'retired') throw new CertificateFault('certificate/ca-retired', RETIRED);
    const promised = embedScts(logged.tbs, [await this.sct.run(logged, issuer.spki)]);
    const log = this.sct.keyAt(logged.loggedAt);
    verifySct(await this.rehearse(promised, issuer), issuer.spki, log);
    const certificate = await signTbs(promised, this.keys.load(authoritySlot(logged.issuer)));
    const late = this.lint(certificate, { issuer, log });
    if (late.length > 0) throw new Error(`The CA signed what it must not hand out: ${late.join('; ')}.`);
    return certificate;
  }

  private async rehearse(tbs: Uint8Array, issuer: Certificate): Promise<Certificate> {
    this.throwAway ??= new KeyObjectSigner(generateKey('P-384'));
    const { spki } = this.throwAway;
    const rehearsal = await signTbs(tbs, this.throwAway);
    const findings = this.lint(rehearsal, { issuer: { ...issuer, publicKey: parsePublicKey(spki), spki } });
    if (findings.length === 0) return rehearsal;
    throw new CertificateFault('certificate/profile-violation', `This would not do: ${findings.join('; ')}.`);
  }

  private lint({ der }: Certificate, context: Omit<LeafContext, 'registry'>): string[] {
    return lintLeaf(der, { ...context, registry: this.registry });
  }

  private get registry(): string {
    return `https://${this.config.domain}`;
  }
}
