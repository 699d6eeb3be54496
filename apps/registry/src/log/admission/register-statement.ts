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
} from '@margo-trust/policy';
import { parseStatement, type Statement } from '@margo-trust/statement';
import { X509Fault } from '@margo-trust/x509';
import { CertificateReader } from '../../certificates/certificate.reader.ts';
import { Clock } from '../../clock.ts';
import type { Tx } from '../../db/db.ts';
import { RevocationReader } from '../../revocation/revocation.reader.ts';
import { VendorReader } from '../../vendors/vendor.reader.ts';
import type { NewEntry } from '../log.store.ts';
import { RegistrationFault } from '../log.fault.ts';
import { PolicyReader, type LoggedPolicy } from './policy.reader.ts';
import { SealBatch, type LateJudgement, type Sealing } from '../seal-batch.ts';
import { Sequencer, type Registered } from '../sequencer.ts';
import { SignerFacts } from './signer-facts.ts';
import { StandingAnchors } from './standing-anchors.ts';
import { toNewEntry } from './statement-facts.ts';
import { admissionOf, underPolicy } from './under-policy.ts';

/**
 * Admits a vendor's statement to the log: what the registration policy says, in the order of libs/policy. The signature is
 * the credential: no account is asked for.
 *
 * The chain is judged now, at registration; so the receipt says that at its time the certificate was valid.
 */
@Injectable()
export class RegisterStatement {
  constructor(
    private readonly sequencer: Sequencer,
    batches: SealBatch,
    private readonly signers: SignerFacts,
    private readonly certificates: CertificateReader,
    private readonly standing: StandingAnchors,
    private readonly vendors: VendorReader,
    private readonly revocations: RevocationReader,
    private readonly policies: PolicyReader,
    private readonly clock: Clock,
  ) {
    batches.checkLate({
      judge: (tx, entries) => this.checkStillGranted(tx, entries),
      insist: (entries, sealing) => this.insistOnAll(entries, sealing),
    });
  }

  async run(bytes: Uint8Array): Promise<Registered & { entryId: string }> {
    const statement = parseStatement(bytes, { maxBytes: POLICY_LIMITS.maxStatementBytes });
    const registered = await underPolicy(this.policies, (logged) =>
      this.sequencer.register(this.judge(statement, logged)),
    );
    return { ...registered, entryId: statement.entryId };
  }

  private async judge(statement: Statement, logged: LoggedPolicy): Promise<NewEntry> {
    const { policy } = logged;
    const spoken = admitContent(statement, policy);
    const anchors = await this.signers.anchors();
    const found = admitChain(statement, await this.signers.paths(), this.clock.now(), anchors);
    const vendor = await this.signers.findVendor(statement.issuer);
    admitClaims(spoken, vendor, policy, found.anchor);
    await checkSignatureOnPool(admitAlgorithm(statement, found.path, policy));
    if (vendor) this.signers.limit(vendor, policy);

    return {
      ...toNewEntry(statement, spoken),
      ...(vendor && { vendorId: vendor.id }),
      admission: admissionOf(logged, found, anchors.find((one) => one === found.anchor)?.id),
    };
  }

  /**
   * Policy, suspension, withdrawal and revocation count as last committed, inside the sealing transaction; so does the end of a
   * certificate, since the entry says when it was registered, and whoever replays the decision goes by that.
   */
  private async checkStillGranted(tx: Tx, entries: readonly NewEntry[]): Promise<LateJudgement> {
    const { vendorIds, certificates, digests } = concernedBy(entries);
    const [active, revoked, withdrawn, refuseUnderAnchor] = await Promise.all([
      this.vendors.activeAmong(tx, vendorIds),
      this.certificates.revokedAmong(tx, certificates),
      this.revocations.digestsAmong(tx, digests),
      this.standing.run(tx, entries),
    ]);
    return ({ head, now }) =>
      entries.map((entry) => {
        const { vendorId, certificate, mentions, admission } = entry;
        return (
          refuseOutdated(admission, head.policyIndex, now) ??
          refuseUnderAnchor(entry) ??
          refuseStanding(
            vendorId === undefined || active.has(vendorId),
            certificate !== undefined && revoked.has(encodeHex(certificate)),
            mentions.some(
              (digest) => withdrawn.get(digest)?.some((by) => by === undefined || by === vendorId) ?? false,
            ),
          )
        );
      });
  }

  /**
   * The same for all of them at once, where nothing speaks against any: what may have been revoked for others only, and what stands
   * under anchors of vendors' own, is left to {@link checkStillGranted}.
   */
  private insistOnAll(
    entries: readonly NewEntry[],
    { head, now }: Sealing,
  ): ((tx: Tx) => Promise<unknown>) | undefined {
    const isPlain = ({ admission }: NewEntry) =>
      !admission?.anchor && refuseOutdated(admission, head.policyIndex, now) === undefined;
    if (!entries.every(isPlain)) return undefined;
    const { vendorIds, certificates, digests } = concernedBy(entries);
    return (tx) =>
      Promise.all([
        this.vendors.insistOnActive(tx, vendorIds),
        this.certificates.insistOnNoneRevoked(tx, certificates),
        this.revocations.insistOnNoDigest(tx, digests),
      ]);
  }
}

/** What the entries must not be refused for, each once. */
function concernedBy(entries: readonly NewEntry[]): {
  vendorIds: readonly string[];
  certificates: readonly Uint8Array[];
  digests: readonly string[];
} {
  const certificates = new Map(
    entries.flatMap((e) => (e.certificate ? [[encodeHex(e.certificate), e.certificate]] : [])),
  );
  return {
    vendorIds: [...new Set(entries.flatMap(({ vendorId }) => vendorId ?? []))],
    certificates: [...certificates.values()],
    digests: [...new Set(entries.flatMap(({ mentions }) => mentions))],
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
