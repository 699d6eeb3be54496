import { encodeBase64, encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { makeMlDsaWitness, makeWitness, World } from '@margo-trust/testkit';
import { encodeEvidenceBundle } from '@margo-trust/verifier';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openInBareEngine, type BareModule } from './bare-engine.ts';
import * as here from './verifier-entry.ts';

const world = new World();
const vendor = world.vendor('01jd5x7m8n9p0q1r2s3t4v5w6x');
const published = world.published(vendor, {
  applicationIdPrefixes: ['com-example-'],
  ociNamespaces: ['h.example/acme'],
});
const manifest = encodeUtf8('{"schemaVersion":2}');
const target = {
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: `sha256:${encodeHex(sha256(manifest))}`,
  size: manifest.length,
};
const release = world.log(
  world.signRelease(vendor, {
    applicationId: 'com-example-pump',
    version: '1',
    package: target,
    components: [],
    images: [],
  }),
);
const signature = world.log(world.signArtifact(vendor, target));
const bundleWith = (revocations: object) => {
  const { initialRoot, ...trustRoot } = world.trustRoot([published], revocations);
  const artifacts = [{ ...target, manifest, signatures: [signature] }];
  return { bundle: encodeEvidenceBundle({ trustRoot, release, artifacts }), initialRoot };
};

describe('the verdict, in an engine that has only the language', () => {
  let bare: BareModule;
  beforeAll(async () => {
    bare = await openInBareEngine(new URL('./verifier-entry.ts', import.meta.url));
  });
  afterAll(() => bare?.close());

  const both = (bundle: Uint8Array, initialRoot: Uint8Array) => {
    const args = [encodeBase64(bundle), encodeBase64(initialRoot), 0] as const;
    const expected = here.verdict(...args);
    expect(bare.call('verdict', ...args)).toEqual(expected);
    return expected;
  };

  it('is the same for an application that is trusted', () => {
    const { bundle, initialRoot } = bundleWith({});
    expect(both(bundle, initialRoot)).toMatchObject({ trusted: true, release: { applicationId: 'com-example-pump' } });
  });

  it('is the same where witnesses are demanded, and ML-DSA-44 counts for who carries it', () => {
    const [one, two] = [makeWitness('one.example'), makeMlDsaWitness('two.example')];
    const policy = `witness one ${one.vkey}\nwitness two ${two.vkey}\ngroup both all one two\nquorum both\n`;
    const { initialRoot, ...trustRoot } = world.trustRoot(
      [published],
      {},
      { witnessing: { policy, demand: 'required' } },
    );
    const artifacts = [{ ...target, manifest, signatures: [signature] }];
    const checkpoint = world.checkpoint([one, two]);
    const proofs = [release, signature].map((statement) => world.proof(statement, checkpoint));
    const bundle = encodeEvidenceBundle({ trustRoot, release, artifacts, proofs });
    expect(both(bundle, initialRoot)).toMatchObject({ trusted: false, code: 'verify/not-witnessed' });
    const args = [encodeBase64(bundle), encodeBase64(initialRoot), 0] as const;
    const verdict = bare.call('verdictWithMlDsa', ...args);
    expect(verdict).toMatchObject({ trusted: true, finding: { witnessed: { by: ['one', 'two'], hasQuorum: true } } });
    expect(verdict).toEqual(here.verdictWithMlDsa(...args));
  });

  it('is the same for one that is revoked, and for a file that was changed on its way', () => {
    const revoked = {
      fingerprint: vendor.certificate.fingerprint,
      reason: 'keyCompromise',
      revokedAt: '2026-11-21T00:00:00Z',
    };
    const { bundle, initialRoot } = bundleWith({ certificates: [revoked] });
    expect(both(bundle, initialRoot)).toMatchObject({ trusted: false, code: 'verify/certificate-revoked' });
    const changed = Uint8Array.from(bundle);
    changed[bundle.length - 40]! ^= 1;
    expect(both(changed, initialRoot)).toMatchObject({ trusted: false });
  });
});
