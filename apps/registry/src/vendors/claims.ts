import type { VendorClaims } from '@margo-trust/wire';

export type ClaimKind = 'application-id-prefix' | 'oci-namespace';

export interface Claim {
  kind: ClaimKind;
  value: string;
}

export function listClaims(claims: VendorClaims): Claim[] {
  return [
    ...claims.applicationIdPrefixes.map((value) => ({ kind: 'application-id-prefix' as const, value })),
    ...claims.ociNamespaces.map((value) => ({ kind: 'oci-namespace' as const, value })),
  ];
}

export function groupClaims(claims: readonly Claim[]): VendorClaims {
  const valuesOf = (kind: ClaimKind) => claims.filter((claim) => claim.kind === kind).map((claim) => claim.value);
  return {
    applicationIdPrefixes: valuesOf('application-id-prefix').sort(),
    ociNamespaces: valuesOf('oci-namespace').sort(),
  };
}

/** Whether something could fall under both claims: one is the other or lies within it. */
export function areOverlapping(a: Claim, b: Claim): boolean {
  return a.kind === b.kind && (isWithin(a, b) || isWithin(b, a));
}

/** Ids are matched as text; namespaces by path segments, so `host/acme` does not hold `host/acme2`. */
function isWithin(inner: Claim, outer: Claim): boolean {
  return outer.kind === 'application-id-prefix'
    ? inner.value.startsWith(outer.value)
    : `${inner.value}/`.startsWith(`${outer.value}/`);
}
