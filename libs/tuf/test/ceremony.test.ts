import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { describe, expect, it } from 'vitest';
import {
  assembleCeremony,
  type CeremonyPlan,
  type CeremonyRole,
  type CeremonySignatures,
  draftCeremony,
  draftMetadata,
  encodeCeremonyPlan,
  encodeCeremonySignatures,
  findSigners,
  hashCeremonyPlan,
  parseCeremonyPlan,
  parseCeremonySignatures,
  parseRoot,
  parseTargets,
  type TufKey,
  tufKeyFromSpki,
  tufSignature,
  verifyInitialRoot,
} from '../src/index.ts';

interface Holder {
  readonly key: TufKey;
  readonly secret: KeyObject;
}

function makeHolder(): Holder {
  const { publicKey, privateKey: secret } = generateKeyPairSync('ed25519');
  return { key: tufKeyFromSpki(new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }))), secret };
}

const holders = Array.from({ length: 9 }, makeHolder);
const keysOf = (...indices: number[]) => indices.map((index) => holders[index]!.key);
const plan: CeremonyPlan = {
  roles: {
    root: { keys: keysOf(0, 1, 2), threshold: 2 },
    targets: { keys: keysOf(3, 4, 5), threshold: 2 },
    live: { keys: keysOf(6), threshold: 1 },
    snapshot: { keys: keysOf(7), threshold: 1 },
    timestamp: { keys: keysOf(8), threshold: 1 },
  },
  files: { 'margo.trust-root.v1.json': encodeUtf8('{}'), 'ca.root.pem': encodeUtf8('a certificate') },
  now: new Date('2026-11-26T12:00:00Z'),
};

function signAs(index: number, role: CeremonyRole): CeremonySignatures {
  const { key, secret } = holders[index]!;
  const signature = new Uint8Array(sign(null, draftMetadata(draftCeremony(plan)[role]), secret));
  return { planSha256: hashCeremonyPlan(plan), signatures: { [role]: tufSignature(key, signature) } };
}

describe('a plan', () => {
  it('comes back from its file as it was, and says the same to both sides', () => {
    const read = parseCeremonyPlan(encodeCeremonyPlan(plan));
    expect(encodeCeremonyPlan(read)).toEqual(encodeCeremonyPlan(plan));
    expect(draftMetadata(draftCeremony(read).root)).toEqual(draftMetadata(draftCeremony(plan).root));
    expect(draftMetadata(draftCeremony(read).targets)).toEqual(draftMetadata(draftCeremony(plan).targets));
    expect(draftCeremony(read).root.expires).toBe('2027-11-26T12:00:00Z');
  });

  it.each([
    ['a key with two roles', { root: { keys: keysOf(0, 1, 3), threshold: 2 } }],
    ['a key that is named twice for one', { root: { keys: keysOf(0, 1, 1), threshold: 2 } }],
  ])('is not made with %s', (_, roles) => {
    const shared = { ...plan, roles: { ...plan.roles, ...roles } };
    expect(() => encodeCeremonyPlan(shared)).toThrow(expect.objectContaining({ code: 'tuf/bad-key' }));
  });

  const text = parseUtf8(encodeCeremonyPlan(plan));
  it.each([
    ['spaces', text.replace(':', ': '), 'tuf/malformed'],
    ['one more member', text.replace('{"at"', '{"a":1,"at"'), 'tuf/malformed'],
    ['another type', text.replace('ceremony-plan.v1', 'ceremony-plan.v2'), 'tuf/malformed'],
    ['a role too few', text.replace('"snapshot"', '"snapshots"'), 'tuf/malformed'],
    ['a file that is not base64', text.replace('"ca.root.pem":"', '"ca.root.pem":"*'), 'tuf/malformed'],
    ['a threshold that cannot be met', text.replaceAll('"threshold":2', '"threshold":4'), 'tuf/malformed'],
    ['a time without a date', text.replace('2026-11-26T', '2026-13-46T'), 'tuf/malformed'],
    ['an end', text.slice(0, -1), 'tuf/malformed'],
    ['a key of no kind', text.replaceAll('"keytype":"ed25519"', '"keytype":"rsa"'), 'tuf/bad-key'],
  ])('is refused with %s changed', (_, changed, code) => {
    expect(changed).not.toBe(text);
    expect(() => parseCeremonyPlan(encodeUtf8(changed))).toThrow(expect.objectContaining({ code }));
  });
});

describe('the signatures of a plan', () => {
  it('come back from their files, and make root and targets that clients accept', () => {
    const signed = [signAs(0, 'root'), signAs(2, 'root'), signAs(3, 'targets'), signAs(5, 'targets')].map((one) =>
      parseCeremonySignatures(encodeCeremonySignatures(one)),
    );
    const { root, targets } = assembleCeremony(plan, signed);
    const trusted = verifyInitialRoot(root).signed;
    expect(findSigners(parseTargets(targets), trusted.keys, trusted.roles.targets)).toHaveLength(2);
    expect(Object.keys(parseTargets(targets).signed.targets).sort()).toEqual(Object.keys(plan.files).sort());
  });

  it('count once for each key, and those of strangers and of other roles not at all', () => {
    const stranger = { ...signAs(3, 'root') };
    const { root } = assembleCeremony(plan, [signAs(0, 'root'), signAs(0, 'root'), stranger]);
    expect(parseRoot(root).signatures).toHaveLength(1);
    expect(() => verifyInitialRoot(root)).toThrow(expect.objectContaining({ code: 'tuf/threshold-not-met' }));
  });

  it.each([
    ['{"type":"margo.ceremony-signatures.v1","plan":"zz","signatures":{}}'],
    ['{"type":"margo.ceremony-signatures.v1","plan":"00","signatures":{"live":{"keyid":"00","sig":"00"}}}'],
    ['{"type":"margo.ceremony-signatures.v1","plan":"00","signatures":{"root":{"keyid":"00","sig":7}}}'],
    ['{"type":"margo.ceremony-plan.v1","plan":"00","signatures":{}}'],
    ['[]'],
  ])('are refused as %s', (text) => {
    expect(() => parseCeremonySignatures(encodeUtf8(text))).toThrow(expect.objectContaining({ code: 'tuf/malformed' }));
  });
});
