import { describe, expect, it } from 'vitest';
import { makeKey, plainExtension, plainName, signPlainCertificate, TEST_DAY } from '@margo-trust/testkit';
import { OID, verifyPath, type Extension, type PolicyRequest } from '../src/index.ts';

// RFC 5280 §6.1 with the graph of RFC 9618; that NIST's 88 cases about policies come out right is pkits.test.ts's to say.
const key = makeKey('P-256');
const [A, B, C, D] = [
  '1.3.6.1.4.1.32473.9.1',
  '1.3.6.1.4.1.32473.9.2',
  '1.3.6.1.4.1.32473.9.3',
  '1.3.6.1.4.1.32473.9.4',
];
const { policies, policyMappings, policyConstraints, inhibitAnyPolicy } = plainExtension;
const any = OID.anyPolicy;
let serials = 0;

/** The policies of the path root → `levels`, the last one the leaf. */
function policiesOf(levels: readonly (readonly Extension[])[], request: PolicyRequest = {}, anchor: Extension[] = []) {
  const names = levels.map((_, i) => plainName(`level ${i + 1}`));
  const certificate = (subject: Uint8Array, issuer: Uint8Array, isCa: boolean, extensions: readonly Extension[]) =>
    signPlainCertificate(
      {
        serial: Uint8Array.of(0x40, ++serials >> 8, serials & 0xff),
        issuer,
        subject,
        notBefore: new Date('2025-01-01T00:00:00Z'),
        notAfter: new Date('2035-01-01T00:00:00Z'),
        spki: key.publicKey.spki,
        extensions: [plainExtension.basicConstraints(isCa), ...extensions],
      },
      key,
    );
  const root = plainName('root');
  const chain = levels.map((extensions, i) =>
    certificate(names[i]!, names[i - 1] ?? root, i < levels.length - 1, extensions),
  );
  return verifyPath({
    leaf: chain.at(-1)!,
    intermediates: chain.slice(0, -1),
    anchors: [certificate(root, root, true, anchor)],
    at: TEST_DAY,
    policies: request,
    limits: { maxDepth: 64 },
  }).policies;
}

const refused = expect.objectContaining({ code: 'x509/policy' });

describe('certificate policies', () => {
  it('hold when every certificate states them', () => {
    expect(policiesOf([[policies(A, B)], [policies(B, C)]])).toEqual([B]);
    expect(policiesOf([[policies(any)], [policies(A)]])).toEqual([A]);
    expect(policiesOf([[policies(A)], [policies(any)]])).toEqual([A]);
    expect(policiesOf([[policies(any)], [policies(any)]])).toEqual([any]);
  });

  it('are nobody’s business until somebody asks', () => {
    expect(policiesOf([[], [policies(A)]])).toEqual([]);
    expect(policiesOf([[policies(A)], [policies(B)]])).toEqual([]);
    expect(() => policiesOf([[], [policies(A)]], { requireExplicit: true })).toThrow(refused);
    expect(() => policiesOf([[policies(A), policyConstraints(0)], [policies(B)]])).toThrow(refused);
    expect(() => policiesOf([[policies(A), policyConstraints(1)], [policies(A)], [policies(B)]])).toThrow(refused);
    expect(policiesOf([[policies(A), policyConstraints(3)], [policies(A)], [policies(B)]])).toEqual([]);
    expect(() => policiesOf([[policies(A)], [policies(B), policyConstraints(0)]])).toThrow(refused);
  });

  it('are those the caller asks for, or none', () => {
    const levels = [[policies(A, B)], [policies(A, B)]];
    expect(policiesOf(levels, { initial: [B, C], requireExplicit: true })).toEqual([B]);
    expect(policiesOf(levels, { initial: [any], requireExplicit: true })).toEqual([A, B]);
    expect(policiesOf(levels, { initial: [C] })).toEqual([]);
    expect(() => policiesOf(levels, { initial: [C], requireExplicit: true })).toThrow(refused);
    expect(policiesOf([[policies(any)], [policies(any)]], { initial: [C], requireExplicit: true })).toEqual([C]);
  });

  it('go by the name of the anchor’s domain once mapped', () => {
    const mapped = [[policies(A), policyMappings([A, B])], [policies(B)]];
    expect(policiesOf(mapped)).toEqual([A]);
    expect(policiesOf([[policies(any), policyMappings([A, B])], [policies(B)]])).toEqual([A]);
    expect(policiesOf([[policies(A), policyMappings([A, B], [A, C])], [policies(C)]])).toEqual([A]);
    expect(policiesOf([[policies(A, D), policyMappings([A, B], [D, B])], [policies(B)]])).toEqual([A, D]);
    expect(() => policiesOf(mapped, { inhibitMapping: true, requireExplicit: true })).toThrow(refused);
    expect(() => policiesOf([[policies(A), policyConstraints(0, 0)], ...mapped])).toThrow(refused);
    expect(() => policiesOf([[policies(A), policyMappings([any, B])], [policies(B)]])).toThrow(refused);
    expect(() => policiesOf([[policies(A), policyMappings([A, any])], [policies(B)]])).toThrow(refused);
  });

  it('are not helped by "any" once that is inhibited', () => {
    const explicit = { requireExplicit: true };
    expect(() => policiesOf([[policies(any)], [policies(A)]], { ...explicit, inhibitAny: true })).toThrow(refused);
    expect(() => policiesOf([[policies(A), inhibitAnyPolicy(0)], [policies(any)]], explicit)).toThrow(refused);
    expect(policiesOf([[policies(A), inhibitAnyPolicy(1)], [policies(any)]], explicit)).toEqual([A]);
  });

  it('are constrained by the anchor as well', () => {
    expect(() => policiesOf([[policies(A)], [policies(B)]], {}, [policyConstraints(0)])).toThrow(refused);
    expect(policiesOf([[policies(A)], [policies(A)]], {}, [policyConstraints(0)])).toEqual([A]);
    expect(() => policiesOf([[policies(any)], [policies(A)]], {}, [policyConstraints(0), inhibitAnyPolicy(0)])).toThrow(
      refused,
    );
  });

  it('cost little where the tree of RFC 5280 would have had 2 to the power of 60 nodes', () => {
    // RFC 9618 §1: at every level two policies, each mapped to both of the next.
    const pair = (i: number) => [`1.3.6.1.4.1.32473.8.${i}.1`, `1.3.6.1.4.1.32473.8.${i}.2`] as const;
    const levels = Array.from({ length: 60 }, (_, i) => [
      policies(...pair(i)),
      policyMappings(...pair(i).flatMap((from) => pair(i + 1).map((to) => [from, to] as const))),
    ]);
    expect(policiesOf([...levels, [policies(...pair(60))]])).toEqual(pair(0));
  });

  it('are given up when there are too many', () => {
    const many = Array.from({ length: 257 }, (_, i) => `1.3.6.1.4.1.32473.7.${i}`);
    const tooComplex = expect.objectContaining({ code: 'x509/too-complex' });
    expect(() => policiesOf([[policies(...many)], [policies(A)]])).toThrow(tooComplex);
    // As many as may be, all mapped to one, which is mapped to as many again, each of which then has them all for origins.
    const most = many.slice(1);
    const levels = [
      [policies(...most), policyMappings(...most.map((policy) => [policy, A] as const))],
      [policies(A), policyMappings(...most.map((policy) => [A, policy] as const))],
    ];
    expect(policiesOf([...levels, [policies(...most)]])).toHaveLength(256);
    expect(() => policiesOf([...levels, [policies(...most)], [policies(...most)]])).toThrow(tooComplex);
  });
});
