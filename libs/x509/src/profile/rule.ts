import type { PublicKey } from '@margo-trust/crypto';
import type { Certificate, Crl } from '../model.ts';
import type { CrlScope } from '../tbs-crl.ts';

/** One thing a certificate or CRL must be, and who says so. */
export interface Rule<Subject, Context> {
  /** Kebab-case, as the file; stable, because findings are stored and filtered by it. */
  readonly name: string;
  readonly source: string;
  /** What is wrong, or undefined. */
  readonly check: (subject: Subject, context: Context) => string | undefined;
}

/** `issuer` is the certificate itself for a root. */
export interface IssuedContext {
  readonly issuer: Certificate;
  /** Nobody has signed it yet: what stands in place of the signature is not verified. */
  readonly isRehearsal?: boolean;
}

export interface LeafContext extends IssuedContext {
  /** `https://<domain>` */
  readonly registry: string;
  readonly policyArc?: string;
  /** Whose SCT the certificate must carry. Without it none is asked for, as before the log has given one. */
  readonly log?: PublicKey;
}

export interface CaContext extends IssuedContext {
  readonly purpose: 'root' | 'issuing' | 'tsa';
}

export interface CrlContext extends IssuedContext {
  readonly scope: CrlScope;
}

export type CertificateRule = Rule<Certificate, IssuedContext>;
export type LeafRule = Rule<Certificate, LeafContext>;
export type CaRule = Rule<Certificate, CaContext>;
export type CrlRule = Rule<Crl, CrlContext>;

export function applyRules<S, C>(rules: readonly Rule<S, C>[], subject: S, context: C): string[] {
  return rules.flatMap(({ name, source, check }) => {
    const finding = check(subject, context);
    return finding === undefined ? [] : [`${name}: ${finding} (${source})`];
  });
}
