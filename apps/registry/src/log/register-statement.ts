import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import type { Fault } from '@margo-trust/fault';
import { checkSignatureOnPool } from '@margo-trust/crypto/async';
import {
  admitAlgorithm,
  admitChain,
  admitClaims,
  admitContent,
  POLICY_LIMITS,
  refuseStanding,
  VerifiedPaths,
} from '@margo-trust/policy';
import { parseStatement, type Statement } from '@margo-trust/statement';
import { X509Fault, type Certificate } from '@margo-trust/x509';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import type { Tx } from '../db/db.ts';
import { VendorReader, type PublishingVendor } from '../vendors/vendor.reader.ts';
import type { NewEntry } from './log.store.ts';
import { RegistrationFault } from './log.fault.ts';
import { PolicyReader } from './policy.reader.ts';
import { Sequencer, type LateCheck, type Registered } from './sequencer.ts';
import { toNewEntry } from './statement-facts.ts';

const CACHED_VENDORS = 4096;
const KNOWN_FOR_MS = 1_000;
const MOST_TRIES = 3;

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
    private readonly policies: PolicyReader,
    private readonly clock: Clock,
  ) {
    sequencer.checkLate((tx, entries, sealing) => this.checkStillGranted(tx, entries, sealing));
  }

  async run(bytes: Uint8Array): Promise<Registered & { entryId: string }> {
    const statement = parseStatement(bytes, { maxBytes: POLICY_LIMITS.maxStatementBytes });
    for (let tries = 1; ; tries += 1) {
      try {
        return { ...(await this.admit(statement)), entryId: statement.entryId };
      } catch (error) {
        if (!isPolicyChange(error) || tries === MOST_TRIES) throw error;
        this.policies.forget();
      }
    }
  }

  private async admit(statement: Statement): Promise<Registered> {
    const { policy, index: policyIndex } = await this.policies.current();
    const spoken = admitContent(statement, policy);
    const path = admitChain(statement, this.paths ?? (await this.loadPaths()), this.clock.now());
    const vendor = await this.findVendor(statement.issuer);
    admitClaims(spoken, vendor, policy);
    await checkSignatureOnPool(admitAlgorithm(statement, path, policy));

    const admission = { policyIndex, ...validityOf(path) };
    return this.sequencer.register({
      ...toNewEntry(statement, spoken),
      ...(vendor && { vendorId: vendor.id }),
      admission,
    });
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

  /**
   * Policy, suspension and revocation count as last committed, inside the sealing transaction; so does the end of a
   * certificate, since the entry says when it was registered, and whoever replays the decision goes by that.
   */
  private async checkStillGranted(
    tx: Tx,
    entries: readonly NewEntry[],
    { head, now }: Parameters<LateCheck>[2],
  ): Promise<readonly (Fault | undefined)[]> {
    const vendorIds = [...new Set(entries.flatMap(({ vendorId }) => vendorId ?? []))];
    const fingerprints = new Map(
      entries.flatMap((e) => (e.certificate ? [[encodeHex(e.certificate), e.certificate]] : [])),
    );
    const active = await this.vendors.activeAmong(tx, vendorIds);
    const revoked = await this.certificates.revokedAmong(tx, [...fingerprints.values()]);
    return entries.map(
      ({ vendorId, certificate, admission }) =>
        refuseOutdated(admission, head.policyIndex, now) ??
        refuseStanding(
          vendorId === undefined || active.has(vendorId),
          certificate !== undefined && revoked.has(encodeHex(certificate)),
        ),
    );
  }
}

/** When every certificate of the path is valid. */
function validityOf(path: readonly Certificate[]): { from: Date; until: Date } {
  return {
    from: new Date(Math.max(...path.map(({ notBefore }) => notBefore.getTime()))),
    until: new Date(Math.min(...path.map(({ notAfter }) => notAfter.getTime()))),
  };
}

/** Whether what was judged before may be judged otherwise now. */
function refuseOutdated(admission: NewEntry['admission'], policyIndex: bigint, now: Date): Fault | undefined {
  if (admission === undefined) return undefined;
  if (admission.policyIndex !== policyIndex) {
    return new RegistrationFault('registration/policy-changed', 'The registration policy keeps changing; try again.');
  }
  if (now < admission.from) return new X509Fault('x509/not-yet-valid', 'A certificate is not valid yet.');
  if (now > admission.until) return new X509Fault('x509/expired', 'A certificate has expired.');
  return undefined;
}

function isPolicyChange(error: unknown): boolean {
  return error instanceof RegistrationFault && error.code === 'registration/policy-changed';
}
