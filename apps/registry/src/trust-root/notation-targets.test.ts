import { makeOwnCa, makeOwnLeaf } from '@margo-trust/testkit';
import { OID, parsePem } from '@margo-trust/x509';
import { describe, expect, it } from 'vitest';
import { encodeNotationTargets, type ToolAnchor } from './notation-targets.ts';

interface Statement {
  name: string;
  registryScopes: string[];
  trustStores: string[];
  trustedIdentities: string[];
}

let made = 0;

function anchor(vendorId: string, ociNamespaces: string[], change: Partial<ToolAnchor> = {}): ToolAnchor {
  made += 1;
  return {
    ...{ id: `a${made}`, vendorId, vendorUri: `https://${vendorId}/`, purpose: 'artifact-signing' },
    certificate: makeOwnCa().certificate,
    claims: { applicationIdPrefixes: [], ociNamespaces },
    ...{ subject: {}, vendorSubject: { C: 'DE', ST: 'Hessen', O: `Vendor ${vendorId}` } },
    ...{ validFrom: new Date(0), validUntil: new Date(1) },
    ...change,
  };
}

function policyOf(anchors: readonly ToolAnchor[]): Statement[] {
  const text = Buffer.from(encodeNotationTargets(anchors)['notation.trustpolicy.oci.json']!).toString();
  return (JSON.parse(text) as { trustPolicies: Statement[] }).trustPolicies;
}

describe('encodeNotationTargets', () => {
  it('without anchors trusts what the registry vouches for, everywhere', () => {
    expect(Object.keys(encodeNotationTargets([]))).toEqual(['notation.trustpolicy.oci.json']);
    expect(policyOf([])).toMatchObject([
      { name: 'margo', registryScopes: ['*'], trustStores: ['ca:margo', 'tsa:margo'], trustedIdentities: ['*'] },
    ]);
  });

  it('gives each anchor a store, named for its vendor and its repositories alone', () => {
    const [acme, zeta] = [anchor('acme', ['r/acme/a', 'r/acme/b']), anchor('zeta', ['r/zeta'])];
    const files = encodeNotationTargets([acme, zeta]);
    for (const { id, certificate } of [acme, zeta]) {
      const pem = Buffer.from(files[`notation.ca.anchor-${id}.1.crt`]!).toString();
      expect(parsePem('CERTIFICATE', pem)).toEqual([certificate.der]);
    }
    expect(policyOf([acme, zeta]).slice(1)).toMatchObject([
      {
        registryScopes: ['r/acme/a', 'r/acme/b'],
        trustStores: ['ca:margo', 'tsa:margo', `ca:anchor-${acme.id}`],
        trustedIdentities: ['x509.subject: C=DE, ST=Hessen, O=Vendor acme'],
      },
      { registryScopes: ['r/zeta'], trustStores: ['ca:margo', 'tsa:margo', `ca:anchor-${zeta.id}`] },
    ]);
  });

  it('names a repository once, with all the stores that it may be signed under, and each statement differently', () => {
    const [wide, narrow, other] = [
      anchor('acme', ['r/acme']),
      anchor('acme', ['r/acme/a', 'r/acme']),
      anchor('acme', ['r/b']),
    ];
    const policy = policyOf([wide, narrow, other]);
    const scopes = policy.flatMap(({ registryScopes }) => registryScopes);
    expect([...scopes].sort()).toEqual(['*', 'r/acme', 'r/acme/a', 'r/b']);
    expect(policy.find(({ registryScopes }) => registryScopes.includes('r/acme/a'))?.trustStores).toEqual([
      ...['ca:margo', 'tsa:margo', `ca:anchor-${wide.id}`, `ca:anchor-${narrow.id}`],
    ]);
    expect(policy.find(({ registryScopes }) => registryScopes.includes('r/b'))?.trustStores).toEqual([
      ...['ca:margo', 'tsa:margo', `ca:anchor-${other.id}`],
    ]);
    expect(new Set(policy.map(({ name }) => name)).size).toBe(policy.length);
  });

  it('adds time-stamping authorities to what their vendor signs', () => {
    const none = { applicationIdPrefixes: [], ociNamespaces: [] };
    const certificate = makeOwnCa({ purposes: [OID.timeStamping] }).certificate;
    const [acme, zeta] = [anchor('acme', ['r/acme']), anchor('zeta', ['r/zeta'])];
    const tsa = anchor('acme', [], { purpose: 'timestamping', claims: none, certificate });
    const [, first, second] = policyOf([acme, zeta, tsa]);
    expect(first?.trustStores).toContain(`tsa:anchor-${tsa.id}`);
    expect(second?.trustStores).not.toContain(`tsa:anchor-${tsa.id}`);
    expect(encodeNotationTargets([tsa])).toHaveProperty([`notation.tsa.anchor-${tsa.id}.1.crt`]);
    expect(policyOf([tsa])).toHaveLength(1);
  });

  it('leaves out what notation takes from no store, and what signs nothing', () => {
    const ca = makeOwnCa();
    const others = [
      anchor('acme', ['r/acme'], { certificate: makeOwnLeaf(ca).certificate }),
      anchor('acme', [], { purpose: 'device-idevid' }),
    ];
    expect(Object.keys(encodeNotationTargets(others))).toEqual(['notation.trustpolicy.oci.json']);
    expect(policyOf(others)).toHaveLength(1);
    expect(policyOf([anchor('acme', ['r/acme'], { certificate: makeOwnLeaf(undefined).certificate })])).toHaveLength(2);
  });

  it('writes names so that they are read as they are', () => {
    const vendorSubject = { C: 'DE', ST: 'Hessen', O: 'Acme, Inc. + "Sons"' };
    const [, statement] = policyOf([anchor('acme', ['r/acme'], { vendorSubject })]);
    expect(statement?.trustedIdentities).toEqual(['x509.subject: C=DE, ST=Hessen, O=Acme\\, Inc. \\+ \\"Sons\\"']);
  });
});
