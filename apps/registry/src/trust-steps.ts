import { Injectable } from '@nestjs/common';

/**
 * The steps from a request to a certificate, from an order to a revocation, and from there to what devices read. Each name says
 * what has been done. The log has steps of its own (log/log-steps.ts), which all of these take too where they put something on record.
 */
export const TRUST_STEPS = [
  // What a certificate will say, in a transaction of its own.
  'announcement logged',
  'announcement stored',
  'announcement committed',
  // The certificate, and its transaction.
  'certificate promised',
  'certificate signed',
  'certificate logged',
  'certificate stored',
  'certificate committed',
  // A decision to revoke.
  'revocation logged',
  'revocation stored',
  'revocation committed',
  // CRLs and feeds.
  'CRLs signed',
  'CRLs stored',
  'CRLs published',
  'feeds published',
  'CRLs committed',
  // Trust root: the list, the filter and the twins of the CRLs.
  'targets collected',
  'trust root signed',
  'targets published',
  'trust root logged',
  'trust root committed',
] as const;

export type TrustStep = (typeof TRUST_STEPS)[number];

/**
 * Where a process may die that issues, revokes or publishes. The service does nothing here; a test puts something into its place
 * that throws, cuts the connection or ends the process.
 */
@Injectable()
export class TrustSteps {
  reached(_step: TrustStep): void | Promise<void> {
    // Nothing happens at a step by itself.
  }
}
