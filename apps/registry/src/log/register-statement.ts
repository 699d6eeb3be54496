import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import { checkSignatureOnPool } from '@margo-trust/crypto/async';
import {
  admitAlgorithm,
  admitChain,
  admitClaims,
  admitContent,
  FOUNDING_POLICY,
  POLICY_LIMITS,
  refuseStanding,
  VerifiedPaths,
  type AdmissionFault,
} from '@margo-trust/policy';
import { parseStatement } from '@margo-trust/statement';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import type { Tx } from '../db/db.ts';
import { VendorReader, type PublishingVendor } from '../vendors/vendor.reader.ts';
import type { NewEntry } from './log.store.ts';
import { Sequencer, type Registered } from './sequencer.ts';
import { toNewEntry } from './statement-facts.ts';

const CACHED_VENDORS = 4096;
const KNOWN_FOR_MS = 1_000;

/**
 * Admits a vendor's statement to the log: what the registration policy says, in the order of libs/policy. The signature is
 * the credential: no account is asked for.
 *
 * The chain is judged now, at registration; so the receipt says that at its time the certificate was valid.
 */
@Injectable()
export class RegisterStatement {
  private paths: VerifiedPaths | undefined;
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
    const policy = FOUNDING_POLICY;
    const statement = parseStatement(bytes, { maxBytes: POLICY_LIMITS.maxStatementBytes });
    const spoken = admitContent(statement, policy);
    const path = admitChain(statement, this.paths ?? (await this.loadPaths()), this.clock.now());
    const vendor = await this.findVendor(statement.issuer);
    admitClaims(spoken, vendor, policy);
    await checkSignatureOnPool(admitAlgorithm(statement, path, policy));

    const entry = { ...toNewEntry(statement, spoken), ...(vendor && { vendorId: vendor.id }) };
    return { ...(await this.sequencer.register(entry)), entryId: statement.entryId };
  }

  private async loadPaths(): Promise<VerifiedPaths> {
    const trust = await this.certificates.trust();
    const paths = new VerifiedPaths(trust);
    if (trust.anchors.length > 0) this.paths = paths; // none before genesis
    return paths;
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
    if (this.known.size >= CACHED_VENDORS) this.known.clear();
    this.known.set(uri, { vendor, at: now });
    return vendor;
  }

  /** Suspension and revocation count as last committed, inside the sealing transaction. */
  private async checkStillGranted(
    tx: Tx,
    entries: readonly NewEntry[],
  ): Promise<readonly (AdmissionFault | undefined)[]> {
    const vendorIds = [...new Set(entries.flatMap(({ vendorId }) => vendorId ?? []))];
    const fingerprints = new Map(
      entries.flatMap((e) => (e.certificate ? [[encodeHex(e.certificate), e.certificate]] : [])),
    );
    const active = await this.vendors.activeAmong(tx, vendorIds);
    const revoked = await this.certificates.revokedAmong(tx, [...fingerprints.values()]);
    return entries.map(({ vendorId, certificate }) =>
      refuseStanding(
        vendorId === undefined || active.has(vendorId),
        certificate !== undefined && revoked.has(encodeHex(certificate)),
      ),
    );
  }
}
