import { areEqualBytes, encodeUtf8 } from '@margo-trust/bytes';
import type { RegisteredAnchor } from '@margo-trust/policy';
import { encodePem } from '@margo-trust/x509';

/** A registered anchor with what tools that know no constraints need to be told of its vendor. */
export interface ToolAnchor extends RegisteredAnchor {
  readonly id: string;
  /** The vendor's alone: notation tells signers apart by it. */
  readonly vendorSubject: { readonly C: string; readonly ST: string; readonly O: string };
}

/**
 * What `notation` needs beside the registry's own trust stores, by target name: a store for each anchor of a vendor's, and the
 * trust policy.
 *
 * notation looks at no name constraints, so that an anchor in a shared store could vouch for any vendor. Here each store is named
 * only in statements about repositories that its anchor claims, and these trust one identity: that of its vendor.
 */
export function encodeNotationTargets(anchors: readonly ToolAnchor[]): Readonly<Record<string, Uint8Array>> {
  const usable = anchors.filter(fitsStore);
  return {
    ...Object.fromEntries(
      usable.map((anchor) => [
        `notation.${storeType(anchor)}.${storeOf(anchor)}.1.crt`,
        encodeUtf8(encodePem('CERTIFICATE', anchor.certificate.der)),
      ]),
    ),
    'notation.trustpolicy.oci.json': encodeUtf8(`${JSON.stringify(describePolicy(usable), undefined, 2)}\n`),
  };
}

/**
 * A template that works as it is: whatever an admitted vendor signed, in every repository. A WFM narrows it to its repositories and to
 * the vendors it buys from (`x509.subject: C=…, ST=…, O=…`).
 */
function describePolicy(anchors: readonly ToolAnchor[]): object {
  return {
    version: '1.0',
    trustPolicies: [
      statement('margo', ['*'], ['ca:margo', 'tsa:margo'], ['*']),
      ...groupByStores(anchors).map(({ vendor, repositories, stores }, i) =>
        statement(
          `vendor-${vendor.vendorId}-${i + 1}`,
          repositories,
          ['ca:margo', 'tsa:margo', ...stores],
          [identityOf(vendor)],
        ),
      ),
    ],
  };
}

function statement(name: string, registryScopes: string[], trustStores: string[], trustedIdentities: string[]): object {
  return {
    name,
    registryScopes,
    signatureVerification: {
      level: 'strict',
      verifyTimestamp: 'afterCertExpiry',
      override: { revocation: 'enforce' },
    },
    trustStores,
    trustedIdentities,
  };
}

interface Group {
  readonly vendor: ToolAnchor;
  readonly repositories: string[];
  readonly stores: readonly string[];
}

/** A repository may stand in one statement only, so those that the same anchors claim stand together. No two vendors claim one. */
function groupByStores(anchors: readonly ToolAnchor[]): Group[] {
  const groups = new Map<string, Group>();
  const signing = anchors.filter(({ purpose }) => purpose === 'artifact-signing');
  for (const repository of [...new Set(signing.flatMap(({ claims }) => claims.ociNamespaces))].sort()) {
    const claiming = signing.filter(({ claims }) => claims.ociNamespaces.some((held) => isWithin(repository, held)));
    const [vendor] = claiming;
    if (vendor === undefined) continue;
    const stamping = anchors.filter(
      ({ purpose, vendorId }) => purpose === 'timestamping' && vendorId === vendor.vendorId,
    );
    const stores = [...claiming, ...stamping].map((anchor) => `${storeType(anchor)}:${storeOf(anchor)}`);
    const known = groups.get(stores.join());
    if (known) known.repositories.push(repository);
    else groups.set(stores.join(), { vendor, repositories: [repository], stores });
  }
  return [...groups.values()];
}

function isWithin(repository: string, namespace: string): boolean {
  return `${repository}/`.startsWith(`${namespace}/`);
}

/** notation takes CAs, and signing certificates only where they are self-signed. */
function fitsStore({ purpose, certificate: { isCa, issuer, subject } }: ToolAnchor): boolean {
  if (purpose === 'timestamping') return isCa;
  return purpose === 'artifact-signing' && (isCa || areEqualBytes(issuer.der, subject.der));
}

function storeType({ purpose }: ToolAnchor): 'ca' | 'tsa' {
  return purpose === 'timestamping' ? 'tsa' : 'ca';
}

function storeOf({ id }: ToolAnchor): string {
  return `anchor-${id}`;
}

function identityOf({ vendorSubject: { C, ST, O } }: ToolAnchor): string {
  return `x509.subject: C=${escape(C)}, ST=${escape(ST)}, O=${escape(O)}`;
}

/** RFC 4514 §2.4: what would end an attribute's value, or be lost at its edges. */
function escape(value: string): string {
  return value.replace(/[,+"\\<>;=]/g, '\\$&').replace(/^[# ]/, '\\$&');
}
