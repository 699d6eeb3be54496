import { Injectable } from '@nestjs/common';
import { parsePublicKey } from '@margo-trust/crypto';
import {
  type Certificate,
  issuingCaProfile,
  lintCa,
  lintTsa,
  rootProfile,
  shapeSerial,
  type SubjectFields,
  tsaProfile,
} from '@margo-trust/x509';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import { KeyRing } from '../keys/key-ring.ts';
import type { KeySlot } from '../keys/slots.ts';
import { Random } from '../random.ts';
import { wholeSeconds } from '../wire-time.ts';
import type { Authority, AuthorityName, AuthorityRole } from './certificate.reader.ts';
import { plainHttp } from './publication-address.ts';
import { signCertificate } from './sign-certificate.ts';

/**
 * Makes the registry's first certificates: the root and the issuing CA below it, and, apart from them, the time-stamping CA and its
 * authority. Needs the offline keys `ca-root` and `tsa-ca`, as development has them; elsewhere ceremonies make the certificates.
 */
@Injectable()
export class CreateAuthorities {
  constructor(
    private readonly keys: KeyRing,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /** Keeps nothing: {@link KeepAuthorities} does. */
  async run(): Promise<readonly Authority[]> {
    const root = await this.makeRoot('Root 1', 'ca-root', 25);
    const base = plainHttp(this.config.publicUrl);
    const issuing = await signCertificate(
      issuingCaProfile({
        ...this.input('Issuing CA 1', 'ca-issuing-1', 10),
        issuer: root,
        crlUrl: `${base}/crl/root/0.crl`,
        caIssuersUrl: `${base}/ca/root.crt`,
      }),
      this.keys.load('ca-root'),
    );
    const tsaCa = await this.makeRoot('Time-Stamping CA 1', 'tsa-ca', 25);
    const tsa = await signCertificate(
      tsaProfile({ ...this.input('Time-Stamping Authority 1', 'tsa', 11), issuer: tsaCa }),
      this.keys.load('tsa-ca'),
    );

    refuse('root', lintCa(root.der, { purpose: 'root' }));
    refuse('issuing-1', lintCa(issuing.der, { purpose: 'issuing', issuer: root }));
    refuse('tsa-ca', lintCa(tsaCa.der, { purpose: 'root' }));
    refuse('tsa', lintTsa(tsa.der, { issuer: tsaCa }));

    return [
      this.describe('root', 'root', root),
      this.describe('issuing-1', 'issuing', issuing),
      this.describe('tsa-ca', 'tsa-ca', tsaCa),
      this.describe('tsa', 'tsa', tsa),
    ];
  }

  private makeRoot(role: string, slot: KeySlot, years: number): Promise<Certificate> {
    return signCertificate(rootProfile(this.input(role, slot, years)), this.keys.load(slot));
  }

  private input(role: string, slot: KeySlot, years: number) {
    const now = wholeSeconds(this.clock.now());
    const notAfter = new Date(now);
    notAfter.setUTCFullYear(notAfter.getUTCFullYear() + years);
    return {
      serial: shapeSerial(this.random.bytes(16)),
      subject: subjectOf(this.config.domain, role),
      notBefore: new Date(now.getTime() - HEAD_START_MS),
      notAfter,
      publicKey: parsePublicKey(this.keys.load(slot).spki),
    };
  }

  private describe(name: AuthorityName, role: AuthorityRole, certificate: Certificate): Authority {
    const now = this.clock.now();
    return { name, role, der: certificate.der, certificate, createdAt: now, state: 'active', since: now };
  }
}

/** Leaves are back-dated a little, and must not be older than their CA. */
const HEAD_START_MS = 3_600_000;

/**
 * XX stands for "no country" (CA/Browser Forum BR §7.1.2.2.2): a registry is where its domain is. O has 64 characters, of which the
 * last ones tell domains apart.
 */
export function subjectOf(domain: string, role: string): SubjectFields {
  const organization = domain.length <= 64 ? domain : `…${domain.slice(-63)}`;
  return { country: 'XX', organization, commonName: `Margo Trust Registry ${role}` };
}

function refuse(name: AuthorityName, findings: readonly string[]): void {
  if (findings.length > 0) throw new Error(`The certificate ${name} breaks the profile: ${findings.join('; ')}.`);
}
