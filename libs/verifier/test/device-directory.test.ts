import { encodeBase64, encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { describeAnchor, type RegisteredAnchor } from '@margo-trust/policy';
import { makeKey, makeOwnCa, makeOwnLeaf, World, type KeyPair, type TestIdentity } from '@margo-trust/testkit';
import { openTufSnapshot } from '@margo-trust/tuf';
import { describe, expect, it } from 'vitest';
import { parseTrustRoot, Verifier } from '../src/index.ts';

const ID = '01jd5x7m8n9p0q1r2s3t4v5w6x';
const NOTHING = { applicationIdPrefixes: [], ociNamespaces: [] };

/** A maker of devices, its CA in the directory, and a device's birth certificate. */
function walk() {
  const world = new World();
  const ca = makeOwnCa({ purposes: [], keyType: 'RSA-2048', subject: { organization: 'Maker' } });
  const device = makeOwnLeaf(ca, { purposes: [], subject: { organization: 'Maker', commonName: 'SN 4711' } });
  const maker = world.vendor(ID);
  const anchor: RegisteredAnchor = {
    ...{ purpose: 'device-idevid', vendorId: ID, vendorUri: maker.uri, certificate: ca.certificate, claims: NOTHING },
    ...{ subject: { O: 'Maker' }, validFrom: world.later(-3600), validUntil: world.later(86_400) },
  };
  return { world, ca, device, maker, anchor };
}
type Walk = ReturnType<typeof walk>;

interface Plant {
  readonly anchor?: Partial<RegisteredAnchor>;
  readonly status?: string;
  readonly device?: TestIdentity;
  readonly recordKey?: KeyPair;
  readonly lists?: Parameters<World['trustRoot']>[1];
  readonly live?: Readonly<Record<string, Uint8Array>>;
}

/** Who made the device, or the code of the refusal. */
function judge({ world, maker, anchor, device }: Walk, plant: Plant = {}): object | string {
  const registered = { ...anchor, ...plant.anchor };
  const payload = describeAnchor(registered, { at: world.now, approvals: 2 });
  const record = encodeBase64(world.log(world.record(`vendor:${ID}`, payload, plant.recordKey)));
  const cas = { type: 'margo.device-cas.v1', cas: [{ vendor: ID, uri: maker.uri, record }] };
  const published = world.published(maker, NOTHING, plant.status ? { status: plant.status } : {});
  const live = plant.live ?? { 'live.device-cas.json': encodeUtf8(JSON.stringify(cas)) };
  const set = world.trustRoot([published], plant.lists, { live });
  const trust = parseTrustRoot(openTufSnapshot(set, { now: world.now, expired: 'report' }));
  try {
    return new Verifier(trust).verifyDevice([(plant.device ?? device).certificate.der], world.now);
  } catch (error) {
    return (error as { code: string }).code;
  }
}

const revokedAt = '2026-11-21T00:00:00Z';
const keyOf = ({ certificate }: TestIdentity) => [
  { spki: encodeHex(sha256(certificate.spki)), reason: 'keyCompromise', revokedAt },
];

describe('the directory of device manufacturers’ CAs', () => {
  it('finds the maker of a device', () => {
    const case_ = walk();
    expect(judge(case_)).toEqual({
      ...{ vendorId: ID, vendorName: `Vendor ${ID}`, subject: case_.device.certificate.subjectText },
      certificateFingerprint: case_.device.certificate.fingerprint,
      anchorFingerprint: case_.ca.certificate.fingerprint,
    });
  });

  it.each<[string, (walk: Walk) => Plant, string]>([
    [
      'of a maker that nobody registered',
      () => ({ device: makeOwnLeaf(makeOwnCa(), { purposes: [] }) }),
      'x509/no-path',
    ],
    ['without a directory', () => ({ live: {} }), 'x509/no-path'],
    ['called otherwise', ({ ca }) => ({ device: makeOwnLeaf(ca, { purposes: [] }) }), 'anchor/subject-mismatch'],
    ['outside the window', ({ world }) => ({ anchor: { validUntil: world.now } }), 'anchor/outside-window'],
    ['whose CA signs software', () => ({ anchor: { purpose: 'artifact-signing' } }), 'x509/no-path'],
    ['whose CA a stranger registered', () => ({ recordKey: makeKey('P-256') }), 'verify/anchor-unproven'],
    ['of a suspended maker', () => ({ status: 'suspended' }), 'verify/vendor-suspended'],
    ['whose key is revoked', ({ device }) => ({ lists: { keys: keyOf(device) } }), 'verify/key-revoked'],
    ['whose CA is revoked', ({ ca }) => ({ lists: { keys: keyOf(ca) } }), 'verify/key-revoked'],
    [
      'of a maker that is revoked',
      () => ({ lists: { vendors: [{ id: ID, reason: 'unspecified', revokedAt }] } }),
      'verify/vendor-revoked',
    ],
  ])('refuses a device %s', (_what, plant, code) => {
    const case_ = walk();
    expect(judge(case_, plant(case_))).toBe(code);
  });
});
