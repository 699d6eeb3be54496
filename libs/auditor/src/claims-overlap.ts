import type { Claims } from '@margo-trust/statement';

/**
 * The first claim of `asked` that shares something with one of `granted`, or `undefined`. Application ids are matched as
 * text, namespaces by path segments: `host/acme` does not hold `host/acme2`.
 */
export function findOverlap(asked: Claims, granted: Claims): string | undefined {
  const isIdTaken = (claim: string) =>
    granted.applicationIdPrefixes.some((other) => claim.startsWith(other) || other.startsWith(claim));
  const isNamespaceTaken = (claim: string) =>
    granted.ociNamespaces.some((other) => `${claim}/`.startsWith(`${other}/`) || `${other}/`.startsWith(`${claim}/`));
  return asked.applicationIdPrefixes.find(isIdTaken) ?? asked.ociNamespaces.find(isNamespaceTaken);
}
