import type { PublicKey } from '@margo-trust/crypto';
import type { Assurance, WorkloadFields } from '@margo-trust/x509';
import type { Tx } from '../db/db.ts';
import type { PublishingVendor } from '../vendors/vendor.reader.ts';

/** A certificate to be issued: to whom, for which key, of which class, and on whose word. */
export interface CertificateOrder {
  readonly vendor: PublishingVendor;
  /** Whoever asks has proven to hold its private half, and it is fit to be certified. */
  readonly key: PublicKey;
  readonly commonName: string;
  readonly assurance: Assurance;
  /** The build that asks; with assurance `ci`, and only then. */
  readonly workload?: WorkloadFields;
  /**
   * Whether an issuance for this key that was cut short may be finished. Not for somebody else's: what was announced then names
   * another build. True unless said otherwise.
   */
  readonly mayResume?: boolean;
  /** How the audit trail names whoever asks. */
  readonly actor: string;
  /** What both records say of the ground for the order, besides what they say of every certificate. */
  readonly ground?: Readonly<Record<string, unknown>>;
  /**
   * Throws when what the order rests on no longer stands. Asked in both transactions after a record, so that nothing that goes
   * on record itself can change it before the commit.
   */
  readonly confirm?: (tx: Tx) => Promise<void>;
}
