import { encodeBase64, encodeHex, encodeUtf8, parseHex, parseUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { buildRevocationFilter, type FilterContent, FilterKeys } from '@margo-trust/revocation-filter';
import { attachToStatement, parseStatement, type Release, type TargetArtifact } from '@margo-trust/statement';
import { makeKey, TEST_WORKLOAD, type TestVendor, World } from '@margo-trust/testkit';
import { openTufSnapshot, type TufFileSet } from '@margo-trust/tuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeEvidenceBundle,
  parseEvidenceBundle,
  parseTrustRoot,
  revokedShard,
  Verifier,
  verifyEvidenceBundle,
  type Verdict,
} from '../src/index.ts';

const ID = '01jd5x7m8n9p0q1r2s3t4v5w6x';
const claims = { applicationIdPrefixes: ['com-example-'], ociNamespaces: ['registry.example/acme'] };
const manifest = encodeUtf8('{"schemaVersion":2}');
const target: TargetArtifact = {
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: `sha256:${encodeHex(sha256(manifest))}`,
  size: manifest.length,
  annotations: { 'org.margo.trust.reference': 'registry.example/acme/pump:1.0.0' },
};
const release: Release = {
  applicationId: 'com-example-pump',
  version: '1.0.0',
  package: { ...item(target), reference: 'registry.example/acme/pump:1.0.0' },
  components: [],
  images: [{ ...item(target), reference: 'docker.io/library/redis:7', digest: `sha256:${'02'.repeat(32)}` }],
};

function item({ mediaType, digest, size }: TargetArtifact) {
  return { mediaType, digest, size };
}

/** A vendor that was admitted, one logged signature and one logged release: what every case starts from. */
function walk(world = new World()) {
  const vendor = world.vendor(ID);
  const published = world.published(vendor, claims);
  const signature = world.log(world.signArtifact(vendor, target));
  const releaseStatement = world.log(world.signRelease(vendor, release));
  return { world, vendor, published, signature, releaseStatement };
}

function verifierOf(set: TufFileSet, now = new Date('2026-11-21T00:00:00Z')): Verifier {
  return new Verifier(parseTrustRoot(openTufSnapshot(set, { now, expired: 'report' })));
}

function codeOf(verdict: Verdict): string {
  return verdict.trusted ? 'trusted' : verdict.code;
}

describe('the verdict on an artifact', () => {
  it('trusts what an admitted vendor signed and the log holds, and says who, when and where', () => {
    const { world, vendor, published, signature } = walk();
    const verdict = verifierOf(world.trustRoot([published])).verifyArtifact(target, [signature]);
    expect(verdict).toMatchObject({
      trusted: true,
      finding: {
        vendorId: ID,
        time: world.now,
        log: { origin: 'log.registry.example' },
        certificateFingerprint: vendor.certificate.fingerprint,
      },
    });
    expect(verdict.checks.map(({ name }) => name)).toEqual([
      'envelope',
      'algorithm',
      'signature',
      'log receipt',
      'certificate',
      'vendor',
      'claims',
      'revocation',
    ]);
  });

  describe('of a build, with a certificate for a day', () => {
    const world = new World();
    const build = world.vendor(ID, {
      ...{ assurance: 'ci', workload: TEST_WORKLOAD },
      ...{ notBefore: world.later(-60), notAfter: world.later(86_340) },
    });
    const published = world.published(build, claims);
    const signature = world.log(world.signArtifact(build, target));
    const judge = (lists: Parameters<World['trustRoot']>[1] = {}, now?: Date, signed = signature) =>
      verifierOf(world.trustRoot([published], lists), now).verifyArtifact(target, [signed]);
    const at = { reason: 'keyCompromise', revokedAt: '2026-11-21T00:00:00Z' };

    it('trusts it by the time of the log alone, also when the day is long over, and names class and build', () => {
      for (const now of [undefined, new Date('2036-01-01T00:00:00Z')]) {
        const verdict = judge({}, now);
        const { issuer, subject } = TEST_WORKLOAD;
        expect(verdict).toMatchObject({ trusted: true, finding: { assurance: 'ci', workload: { issuer, subject } } });
        const { detail } = verdict.checks.find(({ name }) => name === 'certificate')!;
        expect(detail).toContain(`Given to the build ${subject} for a day.`);
      }
    });

    it('refuses what the log knew only after that day', () => {
      const late = world.log(world.signArtifact(build, target), world.later(86_400));
      expect(codeOf(judge({}, undefined, late))).toBe('x509/expired');
    });

    it.each([
      ['key', { keys: [{ spki: encodeHex(sha256(build.certificate.spki)), ...at }] }, 'verify/key-revoked'],
      ['vendor', { vendors: [{ id: ID, ...at }] }, 'verify/vendor-revoked'],
      ['digest', { digests: [{ digest: target.digest, ...at }] }, 'verify/digest-revoked'],
    ])('refuses it when its %s is revoked', (_, lists, code) => {
      expect(codeOf(judge(lists))).toBe(code);
    });
  });

  it.each(['hardware', 'software'] as const)(
    'says that the key is of the class %s, and names no build',
    (assurance) => {
      const world = new World();
      const vendor = world.vendor(ID, { assurance });
      const signature = world.log(world.signArtifact(vendor, target));
      const verdict = verifierOf(world.trustRoot([world.published(vendor, claims)])).verifyArtifact(target, [
        signature,
      ]);
      expect(verdict.trusted && verdict.finding).toMatchObject({ assurance });
      expect(verdict.trusted && verdict.finding).not.toHaveProperty('workload');
    },
  );

  it('finds one good signature among bad ones', () => {
    const { world, published, signature } = walk();
    const verifier = verifierOf(world.trustRoot([published]));
    expect(codeOf(verifier.verifyArtifact(target, [Uint8Array.of(1), signature]))).toBe('trusted');
    expect(codeOf(verifier.verifyArtifact(target, [Uint8Array.of(1), Uint8Array.of(2)]))).not.toBe('trusted');
    expect(codeOf(verifier.verifyArtifact(target, []))).toBe('verify/unsigned');
  });

  it('needs no clock: an expired certificate does not matter when the log saw the signature in time', () => {
    const { world, published, signature } = walk();
    const verifier = verifierOf(world.trustRoot([published]), new Date('2046-01-01T00:00:00Z'));
    expect(codeOf(verifier.verifyArtifact(target, [signature]))).toBe('trusted');
    expect(verifier.freshness.stale.map(({ role }) => role)).toContain('timestamp');
  });

  it.each<
    [string, (w: ReturnType<typeof walk>) => { set: TufFileSet; signature?: Uint8Array; held?: TargetArtifact }, string]
  >([
    [
      'about another artifact',
      ({ world, published }) => ({
        set: world.trustRoot([published]),
        held: { ...target, digest: `sha256:${'00'.repeat(32)}` },
      }),
      'verify/target-mismatch',
    ],
    [
      'that was never logged',
      ({ world, vendor, published }) => ({
        set: world.trustRoot([published]),
        signature: world.signArtifact(vendor, { ...target, size: target.size }, 'oci:app:other'),
      }),
      'verify/not-logged',
    ],
    [
      'with a receipt of a stranger’s key',
      ({ world, published, signature }) => ({
        set: world.trustRoot([published]),
        signature: world.withReceipt(signature, world.now, makeKey('P-256')),
      }),
      'verify/not-logged',
    ],
    [
      'with the receipt of another statement',
      ({ world, vendor, published, signature }) => {
        const other = world.log(world.signArtifact(vendor, { ...target, size: 1 }));
        return {
          set: world.trustRoot([published]),
          signature: attachToStatement(signature, { receipts: parseStatement(other).receipts }),
        };
      },
      'verify/not-logged',
    ],
    [
      'of a vendor the trust root does not know',
      ({ world }) => ({ set: world.trustRoot([]) }),
      'verify/unknown-vendor',
    ],
    [
      'of a vendor that is suspended',
      ({ world, vendor }) => ({ set: world.trustRoot([world.published(vendor, claims, { status: 'suspended' })]) }),
      'verify/vendor-suspended',
    ],
    [
      'of a vendor whose record was never logged',
      ({ world, vendor }) => {
        const record = world.record(`vendor:${ID}`, { record: 'vendor-admitted', uri: vendor.uri, claims });
        return { set: world.trustRoot([world.published(vendor, claims, { record })]) };
      },
      'verify/vendor-unproven',
    ],
    [
      'of a vendor whose record a stranger signed',
      ({ world, vendor }) => {
        const record = world.log(
          world.record(`vendor:${ID}`, { record: 'vendor-admitted', uri: vendor.uri, claims }, makeKey('P-256')),
        );
        return { set: world.trustRoot([world.published(vendor, claims, { record })]) };
      },
      'verify/vendor-unproven',
    ],
    [
      'of a vendor whose record is about another',
      ({ world, vendor }) => {
        const record = world.log(
          world.record('vendor:01jd5x7m8n9p0q1r2s3t4v5w6y', { record: 'vendor-admitted', uri: vendor.uri, claims }),
        );
        return { set: world.trustRoot([world.published(vendor, claims, { record })]) };
      },
      'verify/vendor-unproven',
    ],
    [
      'of a vendor that publishes more than it was granted',
      ({ world, vendor }) => ({
        set: world.trustRoot([
          world.published(vendor, claims, { claims: { ...claims, applicationIdPrefixes: ['com-'] } }),
        ]),
      }),
      'verify/vendor-unproven',
    ],
    [
      'from a namespace that was never granted',
      ({ world, vendor }) => {
        const narrow = { ...claims, ociNamespaces: ['registry.example/other'] };
        return { set: world.trustRoot([world.published(vendor, narrow)]) };
      },
      'verify/namespace-not-claimed',
    ],
    [
      'of a revoked certificate',
      ({ world, vendor, published }) => ({
        set: world.trustRoot([published], {
          certificates: [
            { fingerprint: vendor.certificate.fingerprint, reason: 'keyCompromise', revokedAt: '2026-11-21T00:00:00Z' },
          ],
        }),
      }),
      'verify/certificate-revoked',
    ],
    [
      'made after the invalidity date',
      ({ world, vendor, published }) => ({
        set: world.trustRoot([published], {
          certificates: [
            {
              fingerprint: vendor.certificate.fingerprint,
              reason: 'keyCompromise',
              revokedAt: '2026-11-21T00:00:00Z',
              invalidityDate: '2026-11-20T12:00:00Z',
            },
          ],
        }),
      }),
      'verify/certificate-revoked',
    ],
    [
      'of a revoked key',
      ({ world, vendor, published }) => ({
        set: world.trustRoot([published], {
          keys: [
            {
              spki: encodeHex(sha256(vendor.certificate.spki)),
              reason: 'keyCompromise',
              revokedAt: '2026-11-21T00:00:00Z',
            },
          ],
        }),
      }),
      'verify/key-revoked',
    ],
    [
      'over a withdrawn digest',
      ({ world, published }) => ({
        set: world.trustRoot([published], {
          digests: [{ digest: target.digest, reason: 'unspecified', revokedAt: '2026-11-21T00:00:00Z' }],
        }),
      }),
      'verify/digest-revoked',
    ],
    [
      'over a digest that its vendor withdrew',
      ({ world, published }) => ({
        set: world.trustRoot([published], {
          digests: [{ digest: target.digest, vendor: ID, reason: 'unspecified', revokedAt: '2026-11-21T00:00:00Z' }],
        }),
      }),
      'verify/digest-revoked',
    ],
    [
      'under a revoked CA',
      ({ world, published }) => ({
        set: world.trustRoot([published], {
          issuers: [
            {
              name: 'issuing-1',
              spki: encodeHex(sha256(world.issuing.spki)),
              reason: 'keyCompromise',
              revokedAt: '2026-11-21T00:00:00Z',
            },
          ],
        }),
      }),
      'verify/issuer-revoked',
    ],
    [
      'of a distrusted vendor',
      ({ world, published }) => ({
        set: world.trustRoot([published], {
          vendors: [{ id: ID, reason: 'unspecified', revokedAt: '2026-11-21T00:00:00Z' }],
        }),
      }),
      'verify/vendor-revoked',
    ],
    [
      'logged after the anchor’s window',
      ({ world, published }) => ({ set: world.trustRoot([published], {}, { validUntil: world.now }) }),
      'x509/no-path',
    ],
  ])('refuses a signature %s', (_what, plant, code) => {
    const case_ = walk();
    const { set, signature = case_.signature, held = target } = plant(case_);
    expect(codeOf(verifierOf(set).verifyArtifact(held, [signature]))).toBe(code);
  });

  it('holds the application id inside a package against the vendor’s claims', () => {
    const { world, published, signature, releaseStatement } = walk();
    const verifier = verifierOf(world.trustRoot([published]));
    const holding = (applicationId: string) =>
      codeOf(verifier.verifyArtifact({ ...target, applicationId }, [signature]));
    expect(holding('com-example-pump')).toBe('trusted');
    expect(holding('org-other-app')).toBe('verify/application-not-claimed');
    const released = (applicationId: string) => codeOf(verifier.verifyRelease(releaseStatement, { applicationId }));
    expect(released('com-example-pump')).toBe('trusted');
    expect(released('com-example-other')).toBe('verify/application-mismatch');
  });

  it('keeps what was signed before a key was lost or leaked', () => {
    const { world, vendor, published, signature } = walk();
    const { fingerprint } = vendor.certificate;
    for (const revocation of [
      { fingerprint, reason: 'superseded', revokedAt: '2026-11-21T00:00:00Z' },
      {
        fingerprint,
        reason: 'keyCompromise',
        revokedAt: '2026-11-22T00:00:00Z',
        invalidityDate: '2026-11-20T12:00:01Z',
      },
    ]) {
      const verifier = verifierOf(world.trustRoot([published], { certificates: [revocation] }));
      expect(codeOf(verifier.verifyArtifact(target, [signature]))).toBe('trusted');
    }
  });

  describe('with the filter over everything issued', () => {
    const revokedOn = '2026-11-21T00:00:00Z';
    const issuerKeyOf = (world: World) => sha256(world.issuing.spki);
    const filterOf = (world: World, revoked: readonly TestVendor[], valid: readonly TestVendor[], logSize: number) => {
      const keys = (vendors: readonly TestVendor[]) => {
        const found = new FilterKeys();
        for (const { certificate } of vendors) found.add(issuerKeyOf(world), parseHex(certificate.serialHex));
        return found;
      };
      return buildRevocationFilter({
        origin: world.origin,
        logSize,
        issuers: [issuerKeyOf(world)],
        salt: new Uint8Array(16),
        revoked: keys(revoked),
        valid: keys(valid),
      });
    };
    const detail = ({ certificate: { fingerprint } }: TestVendor, more: object) =>
      encodeUtf8(
        JSON.stringify({
          type: 'margo.revoked.v1',
          certificates: [{ fingerprint, reason: 'keyCompromise', revokedAt: revokedOn, ...more }],
        }),
      );
    const judge = (set: TufFileSet, signature: Uint8Array) =>
      codeOf(verifierOf(set).verifyArtifact(target, [signature]));

    it('passes what it does not name, and refuses what it names, since when its vendor’s file says', () => {
      const { world, vendor, published, signature } = walk();
      const shard = revokedShard(ID);
      const set = (filter: Uint8Array, file?: Uint8Array) =>
        world.trustRoot([published], {}, { live: { 'live.revoked.filter': filter, ...(file && { [shard]: file }) } });
      const [revoked, valid] = [filterOf(world, [vendor], [], 100), filterOf(world, [], [vendor], 100)];
      expect(judge(set(valid), signature)).toBe('trusted');
      expect(judge(set(revoked), signature)).toBe('verify/certificate-revoked');
      expect(judge(set(revoked, detail(vendor, {})), signature)).toBe('verify/certificate-revoked');
      const after = detail(vendor, { invalidityDate: '2026-11-20T12:00:01Z' });
      expect(judge(set(revoked, after), signature)).toBe('trusted');
    });

    it('refuses whatever the time when the file is not at hand, and says so when nothing tells', () => {
      const { world, vendor, published, signature } = walk();
      const shard = revokedShard(ID);
      const after = detail(vendor, { invalidityDate: '2026-11-20T12:00:01Z' });
      const without = (live: Record<string, Uint8Array>) => {
        const set = world.trustRoot([published], {}, { live: { ...live, [shard]: after } });
        const { [shard]: _gone, ...files } = set.files;
        return { ...set, files };
      };
      const revoked = filterOf(world, [vendor], [], 100);
      expect(judge(without({ 'live.revoked.filter': revoked }), signature)).toBe('verify/certificate-revoked');
      expect(judge(without({ 'live.revoked.filter': filterOf(world, [], [vendor], 100) }), signature)).toBe('trusted');
      expect(judge(without({}), signature)).toBe('verify/bad-trust-root');
    });

    it('asks it about nothing that was logged later, elsewhere or under another CA', () => {
      const { world, vendor, published, signature } = walk();
      const revoked = (change: Partial<FilterContent>) => {
        const keys = new FilterKeys();
        keys.add(issuerKeyOf(world), parseHex(vendor.certificate.serialHex));
        const content = { origin: world.origin, logSize: 100, issuers: [issuerKeyOf(world)], salt: new Uint8Array(16) };
        return buildRevocationFilter({ ...content, revoked: keys, valid: new FilterKeys(), ...change });
      };
      const under = (filter: Uint8Array) =>
        world.trustRoot([published], {}, { live: { 'live.revoked.filter': filter } });
      expect(judge(under(revoked({})), signature)).toBe('verify/certificate-revoked');
      for (const change of [{ logSize: 0 }, { origin: 'log.elsewhere.example' }, { issuers: [new Uint8Array(32)] }]) {
        expect(judge(under(revoked(change)), signature)).toBe('trusted');
      }
    });

    it('is no filter: the trust root is bad', () => {
      const { world, published } = walk();
      const set = world.trustRoot([published], {}, { live: { 'live.revoked.filter': Uint8Array.of(1, 2, 3) } });
      expect(() => verifierOf(set)).toThrow(expect.objectContaining({ code: 'verify/bad-trust-root' }));
    });
  });

  it('leaves the signatures of others alone when one vendor withdraws a digest', () => {
    const { world, published, signature } = walk();
    const withdrawal = { digest: target.digest, reason: 'unspecified', revokedAt: '2026-11-21T00:00:00Z' };
    const set = world.trustRoot([published], {
      digests: [{ ...withdrawal, vendor: '01jd5x7m8n9p0q1r2s3t4v5w6y' }],
    });
    expect(codeOf(verifierOf(set).verifyArtifact(target, [signature]))).toBe('trusted');
  });

  it('refuses a certificate that was not valid when the log saw the signature', () => {
    const world = new World();
    const vendor = world.vendor(ID, { notAfter: world.later(-60) });
    const published = world.published(vendor, claims);
    const signature = world.log(world.signArtifact(vendor, target));
    expect(codeOf(verifierOf(world.trustRoot([published])).verifyArtifact(target, [signature]))).toBe('x509/expired');
  });

  it('refuses a certificate of one vendor for a statement of another', () => {
    const { world, vendor, published } = walk();
    const thief = world.vendor('01jd5x7m8n9p0q1r2s3t4v5w6y');
    const forged = world.log(world.signArtifact({ ...thief, uri: vendor.uri }, target));
    expect(codeOf(verifierOf(world.trustRoot([published])).verifyArtifact(target, [forged]))).toBe(
      'verify/issuer-mismatch',
    );
  });

  it('refuses every flipped bit that matters', () => {
    const { world, published, signature } = walk();
    const verifier = verifierOf(world.trustRoot([published]));
    const { stripped } = parseStatement(signature);
    // chain, receipts and agent travel unprotected; what is signed must not survive a flip anywhere
    const rest = parseStatement(signature);
    for (let bit = 0; bit < stripped.length * 8; bit += 7) {
      const flipped = Uint8Array.from(stripped);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      let bytes = flipped;
      try {
        bytes = Uint8Array.from(attachToStatement(flipped, { chain: rest.chain, receipts: rest.receipts }));
      } catch {
        // no longer COSE: goes in as it is
      }
      expect(codeOf(verifier.verifyArtifact(target, [bytes])), `bit ${bit}`).not.toBe('trusted');
    }
  });
});

describe('the verdict on an evidence bundle', () => {
  const { world, published, signature, releaseStatement, vendor } = walk();
  const { initialRoot, ...trustRoot } = world.trustRoot([published]);
  const artifacts = [{ ...item(target), manifest, signatures: [signature] }];
  const bundle = encodeEvidenceBundle({ trustRoot, release: releaseStatement, artifacts });
  const now = new Date('1970-01-02T00:00:00Z');

  it('trusts the application from one file and one root, whatever the clock says', () => {
    for (const clock of [now, new Date('2026-11-21T00:00:00Z'), new Date('2099-01-01T00:00:00Z')]) {
      const verdict = verifyEvidenceBundle(bundle, { initialRoot, now: clock, artifact: target.digest });
      expect(verdict).toMatchObject({
        trusted: true,
        release: { applicationId: 'com-example-pump', version: '1.0.0' },
      });
    }
  });

  it('reads back what it writes', () => {
    expect(encodeEvidenceBundle(parseEvidenceBundle(bundle))).toEqual(bundle);
  });

  const refusal = (changed: Uint8Array, options: { initialRoot?: Uint8Array; artifact?: string } = {}) =>
    codeOf(verifyEvidenceBundle(changed, { initialRoot, now, ...options }));

  it('refuses an artifact that the release does not pin', () => {
    expect(refusal(bundle, { artifact: `sha256:${'ff'.repeat(32)}` })).toBe('verify/not-in-release');
  });

  it('refuses another root than its own', () => {
    const other = new World().trustRoot([]).initialRoot;
    expect(refusal(bundle, { initialRoot: other })).toMatch(/^tuf\//);
  });

  it('refuses a manifest that was changed, and an artifact without good signature', () => {
    const changed = [{ ...artifacts[0]!, manifest: encodeUtf8('{"schemaVersion":3}') }];
    expect(refusal(encodeEvidenceBundle({ trustRoot, release: releaseStatement, artifacts: changed }))).toBe(
      'verify/manifest-mismatch',
    );
    const unsigned = [{ ...artifacts[0]!, signatures: [] }];
    expect(refusal(encodeEvidenceBundle({ trustRoot, release: releaseStatement, artifacts: unsigned }))).toBe(
      'verify/unsigned',
    );
  });

  it('refuses an artifact signature in the place of the release', () => {
    expect(refusal(encodeEvidenceBundle({ trustRoot, release: signature, artifacts }))).toBe('verify/wrong-content');
  });

  it('refuses a release of an application that is not the vendor’s', () => {
    const foreign = world.log(world.signRelease(vendor, { ...release, applicationId: 'org-other-app' }));
    expect(refusal(encodeEvidenceBundle({ trustRoot, release: foreign, artifacts }))).toBe(
      'verify/application-not-claimed',
    );
  });

  it.each([
    ['no JSON', 'x'],
    ['another media type', '{"mediaType":"text/plain"}'],
    ['a trust root that is null', `{"mediaType":"application/vnd.margo.trust.evidence.v1+json","trustRoot":null}`],
  ])('refuses a file that is %s', (_what, text) => {
    expect(refusal(encodeUtf8(text))).toMatch(/^(bytes|verify)\//);
  });

  it('gives a verdict for any change of any byte, never another error', () => {
    const text = parseUtf8(bundle);
    fc.assert(
      fc.property(fc.nat(bundle.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = Uint8Array.from(bundle);
        changed[at]! ^= mask;
        verifyEvidenceBundle(changed, { initialRoot, now });
      }),
      { numRuns: 60 },
    );
    expect(text).toContain(encodeBase64(manifest));
  });
});

describe('the OpenPGP keys of a vendor', () => {
  const key = encodeUtf8('a key');
  const none = `sha256:${'00'.repeat(32)}`;
  const withKeys = ({ world, vendor }: ReturnType<typeof walk>, ...openpgpKeys: object[]) =>
    world.published(vendor, claims, { openpgpKeys });

  it('are those whose registration is on record', () => {
    const made = walk();
    const verifier = verifierOf(made.world.trustRoot([withKeys(made, made.world.openpgpKey(ID, key))]));
    const { vendor, keys } = verifier.openpgpKeys(ID, none);
    expect(vendor.id).toBe(ID);
    expect([...keys]).toEqual([['f0'.repeat(20), key]]);
  });

  it('are none where none are registered', () => {
    const { world, published } = walk();
    expect(verifierOf(world.trustRoot([published])).openpgpKeys(ID, none).keys.size).toBe(0);
  });

  it.each([
    ['another key', (world: World) => ({ ...world.openpgpKey(ID, key), key: encodeBase64(encodeUtf8('other')) })],
    ['another vendor', (world: World) => world.openpgpKey(ID, key, { about: 'vendor:01jd5x7m8n9p0q1r2s3t4v5w6y' })],
    [
      'an admission',
      (world: World) => ({ key: encodeBase64(key), record: world.published(world.vendor(ID), claims).record }),
    ],
    ['nothing', () => ({ key: encodeBase64(key), record: encodeBase64(key) })],
  ])('do not count with a record of %s', (_what, make) => {
    const made = walk();
    const verifier = verifierOf(made.world.trustRoot([withKeys(made, make(made.world))]));
    expect(() => verifier.openpgpKeys(ID, none)).toThrow(expect.objectContaining({ code: 'verify/vendor-unproven' }));
    expect(codeOf(verifier.verifyArtifact(target, [made.signature])), 'our own verdict').toBe('trusted');
  });

  it('are refused with whoever is', () => {
    const { world, vendor, published } = walk();
    const revoked = (id: string) => ({
      [id === ID ? 'vendors' : 'digests']: [
        { id, digest: id, reason: 'keyCompromise', revokedAt: '2026-11-21T00:00:00Z' },
      ],
    });
    const codes = [
      world.trustRoot([]),
      world.trustRoot([world.published(vendor, claims, { status: 'suspended' })]),
      world.trustRoot([published], revoked(ID)),
      world.trustRoot([published], revoked(none)),
    ].map((set) => {
      try {
        verifierOf(set).openpgpKeys(ID, none);
        return 'none';
      } catch (error) {
        return (error as { code: string }).code;
      }
    });
    expect(codes).toEqual([
      'verify/unknown-vendor',
      'verify/vendor-suspended',
      'verify/vendor-revoked',
      'verify/digest-revoked',
    ]);
  });
});
