import { Injectable } from '@nestjs/common';
import { parsePublicKey, type PublicKey } from '@margo-trust/crypto';
import { type Certificate, leafProfile, lintLeaf, shapeSerial } from '@margo-trust/x509';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import { generateKey } from '../keys/development-keys.ts';
import { KeyObjectSigner } from '../keys/key-object-signer.ts';
import { KeyRing } from '../keys/key-ring.ts';
import type { Signer } from '../keys/signer.ts';
import { Random } from '../random.ts';
import type { PublishingVendor } from '../vendors/vendor.reader.ts';
import { wholeSeconds } from '../wire-time.ts';
import { CertificateFault } from './certificate.fault.ts';
import { type AuthorityName, CertificateReader } from './certificate.reader.ts';
import { signCertificate } from './sign-certificate.ts';

export const ISSUER: AuthorityName = 'issuing-1';

/** Every certificate names this shard of the CRL, for its whole life. */
export const SHARD = 0;

const VALID_DAYS = 397;

/** For clocks that lag behind ours. */
const BACK_DATED_MS = 60_000;

/** Signs a vendor's certificate that keeps the profile, or none at all. */
@Injectable()
export class SignLeaf {
  private throwAway: Signer | undefined;

  constructor(
    private readonly reader: CertificateReader,
    private readonly keys: KeyRing,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  /**
   * The lint looks at finished bytes. So the same bytes are first signed with a key that vouches for nothing, and the CA's key
   * signs only what passed: a signature once made can't be taken back. Then it looks at what the CA has signed.
   */
  async run(vendor: PublishingVendor, publicKey: PublicKey, commonName: string): Promise<Certificate> {
    const { certificate: issuer } = await this.reader.loadAuthority(ISSUER);
    const registry = `https://${this.config.domain}`;
    const notBefore = new Date(wholeSeconds(this.clock.now()).getTime() - BACK_DATED_MS);
    const { C: country, ST: state, O: organization } = vendor.subject;
    const spec = leafProfile({
      serial: shapeSerial(this.random.bytes(16)),
      subject: { country, state, organization, commonName },
      notBefore,
      notAfter: new Date(notBefore.getTime() + VALID_DAYS * 86_400_000),
      publicKey,
      issuer,
      vendorUri: vendor.uri,
      registry,
      assurance: 'software',
      crlUrl: await this.reader.publicationUrl(`/crl/${ISSUER}/${SHARD}.crl`),
      caIssuersUrl: await this.reader.publicationUrl(`/ca/${ISSUER}.crt`),
    });

    this.throwAway ??= new KeyObjectSigner(generateKey('P-384'));
    const { spki } = this.throwAway;
    const rehearsal = await signCertificate(spec, this.throwAway);
    const standIn = { ...issuer, publicKey: parsePublicKey(spki), spki };
    const findings = lintLeaf(rehearsal.der, { issuer: standIn, registry });
    if (findings.length > 0) {
      throw new CertificateFault('certificate/profile-violation', `This would not do: ${findings.join('; ')}.`);
    }
    const certificate = await signCertificate(spec, this.keys.load('ca-issuing-1'));
    const late = lintLeaf(certificate.der, { issuer, registry });
    if (late.length > 0) throw new Error(`The CA signed what it must not hand out: ${late.join('; ')}.`);
    return certificate;
  }
}
