import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import { checkSignatureOnPool } from '@margo-trust/crypto/async';
import {
  CONTENT,
  isClaimedApplication,
  isClaimedReference,
  parseArtifactSignature,
  parseStatement,
  prepareStatementCheck,
  readFacts,
  type Statement,
  type StatementFacts,
} from '@margo-trust/statement';
import { verifyPath, type Certificate } from '@margo-trust/x509';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import type { Tx } from '../db/db.ts';
import { VendorReader, type PublishingVendor } from '../vendors/vendor.reader.ts';
import { RegistrationFault } from './log.fault.ts';
import type { NewEntry } from './log.store.ts';
import { REGISTRATION_POLICY } from './registration-policy.ts';
import { Sequencer, type Registered } from './sequencer.ts';
import { chainIdOf, toNewEntry } from './statement-facts.ts';

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const CACHED_PATHS = 4096;
const KNOWN_FOR_MS = 1_000;

/**
 * Admits a vendor's statement to the log: what the registration policy of index 0 says, in its order. The signature is
 * the credential: no account is asked for.
 *
 * The chain is judged now, at registration; so the receipt says that at its time the certificate was valid.
 */
@Injectable()
export class RegisterStatement {
  private readonly paths = new Map<string, readonly Certificate[]>();
  private readonly known = new Map<string, { vendor: PublishingVendor; at: number }>();

  constructor(
    private readonly sequencer: Sequencer,
    private readonly certificates: CertificateReader,
    private readonly vendors: VendorReader,
    private readonly clock: Clock,
  ) {
    sequencer.checkLate((tx, entries) => this.checkStillGranted(tx, entries));
  }

  async run(bytes: Uint8Array): Promise<Registered & { entryId: string }> {
    const statement = parseStatement(bytes, { maxBytes: REGISTRATION_POLICY.maxStatementBytes });
    const facts = this.admitContent(statement);
    const leaf = await this.verifyChain(statement);
    if (leaf.uriSans.length !== 1 || leaf.uriSans[0] !== statement.issuer) {
      throw new RegistrationFault(
        'registration/issuer-mismatch',
        'The issuer (iss) is not the URI in the certificate.',
      );
    }
    const vendor = await this.findVendor(statement.issuer);
    if (!vendor) throw new RegistrationFault('registration/unknown-vendor', 'No vendor of this registry has that URI.');
    refuseUnclaimed(vendor, facts);
    const check = prepareStatementCheck(statement, leaf.publicKey);
    if (!REGISTRATION_POLICY.algorithms.includes(check.algorithm)) {
      throw new RegistrationFault(
        'registration/algorithm-refused',
        `${check.algorithm} is not admitted by the policy.`,
      );
    }
    await checkSignatureOnPool(check);

    const entry = { ...toNewEntry(statement, facts), vendorId: vendor.id };
    return { ...(await this.sequencer.register(entry)), entryId: statement.entryId };
  }

  private admitContent(statement: Statement): StatementFacts {
    if (!REGISTRATION_POLICY.contentTypes.includes(statement.contentType)) {
      throw new RegistrationFault(
        'registration/content-type-refused',
        `The policy admits ${REGISTRATION_POLICY.contentTypes.join(' and ')} from vendors, not "${statement.contentType}".`,
      );
    }
    if (statement.contentType === CONTENT.artifact) parseArtifactSignature(statement);
    return readFacts(statement);
  }

  /** The signing certificate, tied to an anchor at this moment. Paths are cached by chain; time is checked each time. */
  private async verifyChain(statement: Statement): Promise<Certificate> {
    const [leaf, ...intermediates] = statement.chain;
    if (!leaf || !statement.x5t) {
      throw new RegistrationFault(
        'registration/no-chain',
        'Send the certificate chain (x5chain, leaf first) and protect x5t.',
      );
    }
    const now = this.clock.now();
    const key = encodeHex(chainIdOf(statement.chain));
    const known = this.paths.get(key);
    const path = known?.every(({ notBefore, notAfter }) => notBefore <= now && now <= notAfter)
      ? known
      : await this.buildPath(leaf, intermediates, now);
    if (this.paths.size >= CACHED_PATHS) this.paths.clear();
    this.paths.set(key, path);
    const [certificate] = path;
    if (!certificate) throw new Error('A verified path has no leaf.');
    return certificate;
  }

  private async buildPath(leaf: Uint8Array, given: readonly Uint8Array[], at: Date): Promise<readonly Certificate[]> {
    const { anchors, issuing } = await this.certificates.trust();
    return verifyPath({ leaf, intermediates: [...given, ...issuing], anchors, at, eku: CODE_SIGNING }).path;
  }

  /**
   * Claims are granted once and never withdrawn, so a second-old answer will do here; whether the vendor may publish at all
   * is asked again when its batch is sealed.
   */
  private async findVendor(uri: string): Promise<PublishingVendor | undefined> {
    const now = this.clock.now().getTime();
    const known = this.known.get(uri);
    if (known && now - known.at < KNOWN_FOR_MS) return known.vendor;
    const vendor = await this.vendors.findByUri(uri);
    if (!vendor) return undefined;
    if (this.known.size >= CACHED_PATHS) this.known.clear();
    this.known.set(uri, { vendor, at: now });
    return vendor;
  }

  /** Suspension and revocation count as last committed, inside the sealing transaction. */
  private async checkStillGranted(
    tx: Tx,
    entries: readonly NewEntry[],
  ): Promise<readonly (RegistrationFault | undefined)[]> {
    const vendorIds = [...new Set(entries.flatMap(({ vendorId }) => vendorId ?? []))];
    const fingerprints = new Map(
      entries.flatMap((e) => (e.certificate ? [[encodeHex(e.certificate), e.certificate]] : [])),
    );
    const active = await this.vendors.activeAmong(tx, vendorIds);
    const revoked = await this.certificates.revokedAmong(tx, [...fingerprints.values()]);
    return entries.map(({ vendorId, certificate }) => {
      if (vendorId !== undefined && !active.has(vendorId)) {
        return new RegistrationFault(
          'registration/vendor-not-active',
          'The vendor is not active: it cannot publish now.',
        );
      }
      if (certificate && revoked.has(encodeHex(certificate))) {
        return new RegistrationFault('registration/certificate-revoked', 'The signing certificate is revoked.');
      }
      return undefined;
    });
  }
}

function refuseUnclaimed({ claims }: PublishingVendor, { applicationId, claimedReferences }: StatementFacts): void {
  if (applicationId !== undefined && !isClaimedApplication(applicationId, claims)) {
    throw new RegistrationFault(
      'registration/application-not-claimed',
      `No application-id prefix granted to the vendor covers "${applicationId}".`,
    );
  }
  const stranger = claimedReferences.find((reference) => !isClaimedReference(reference, claims));
  if (stranger !== undefined) {
    throw new RegistrationFault(
      'registration/namespace-not-claimed',
      `No OCI namespace granted to the vendor covers "${stranger}".`,
    );
  }
}
