/** Sigstore's own libraries for JavaScript, unmodified, against the registry and what the command line gives out. */
import { readFileSync } from 'node:fs';
import type { KeyObject } from 'node:crypto';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCli } from '../../../../../test/cli.ts';
import { admitVendor, ensurePki, issueTo, makeCsr } from '../../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { signWithSigstoreJs, type SigstoreSigner } from '../../../../../test/sigstore-js.ts';

type Edit = (bundle: { verificationMaterial: { tlogEntries: TlogEntry[] } }) => void;
interface TlogEntry {
  logIndex: string;
  canonicalizedBody: string;
  inclusionProof: { hashes: string[]; rootHash: string; treeSize: string; checkpoint: { envelope: string } };
}

describe('Sigstore for JavaScript', () => {
  let registry: TestRegistry;
  let signer: SigstoreSigner;
  let vendor: string;
  let trustedRoot: Record<string, object[]>;
  const data = Buffer.from('some artifact');

  beforeAll(async () => {
    registry = await startTestRegistry();
    await ensurePki(registry);
    vendor = await admitVendor(registry);
    const { pem, key } = makeCsr() as { pem: string; key: KeyObject };
    const { certificate } = await issueTo(registry, vendor, pem);
    signer = { registry: registry.url, key, certificate };

    const cli = new TestCli();
    const env = { MARGO_TRUST_REGISTRY: registry.url };
    for (const args of [
      ['root', 'init', '--trust-first-use'],
      ['root', 'export', '--sigstore', cli.path('sigstore')],
    ]) {
      const { code, stderr } = await cli.run(args, { env });
      expect(code, stderr).toBe(0);
    }
    const read = (name: string) =>
      JSON.parse(readFileSync(cli.path('sigstore', name), 'utf8')) as Record<string, object[]>;
    trustedRoot = read('trusted_root.json');
    expect(read('signing_config.v0.2.json')['rekorTlogUrls']).toMatchObject([
      { url: registry.url, majorApiVersion: 2 },
    ]);
  });
  afterAll(() => registry?.close());

  /** With its strictest settings: one SCT, one log entry, one time-stamp. */
  function verify(bundle: object, root = trustedRoot, artifact: Buffer = data): void {
    const thresholds = { ctlogThreshold: 1, tlogThreshold: 1, timestampThreshold: 1 };
    const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(root)), thresholds);
    const identity = `https://${vendor}.vendors.registry.localhost/`;
    verifier.verify(toSignedEntity(bundleFromJSON(bundle), artifact), {
      subjectAlternativeName: identity,
      extensions: { issuer: 'https://registry.localhost' },
    });
  }

  it('signs through the door, and verifies with what the command line exports', async () => {
    verify(await signWithSigstoreJs('message', data, signer));
  });

  it('signs envelopes, which its verifier of this version looks for under another kind', async () => {
    const bundle = await signWithSigstoreJs('dsse', data, signer);
    expect(bundle).toMatchObject({
      verificationMaterial: { tlogEntries: [{ kindVersion: { kind: 'hashedrekord', version: '0.0.2' } }] },
    });
    // cosign takes it, as test/interop/cosign.test.ts shows, and so do newer versions of this library.
    expect(() => verify(bundle)).toThrow(/digest mismatch|does not match|kind/i);
  });

  it.each<[string, Edit]>([
    [
      'another path',
      ({
        verificationMaterial: {
          tlogEntries: [entry],
        },
      }) => (entry!.inclusionProof.hashes[0] = Buffer.alloc(32).toString('base64')),
    ],
    [
      'another checkpoint',
      ({
        verificationMaterial: {
          tlogEntries: [entry],
        },
      }) => {
        const { checkpoint } = entry!.inclusionProof;
        checkpoint.envelope = checkpoint.envelope.replace(/\n\d+\n/, '\n999\n');
      },
    ],
    [
      'another leaf',
      ({
        verificationMaterial: {
          tlogEntries: [entry],
        },
      }) => {
        const body = Buffer.from(entry!.canonicalizedBody, 'base64').toString();
        entry!.canonicalizedBody = Buffer.from(body.replace('hashedrekord', 'hashedrecord')).toString('base64');
      },
    ],
  ])('refuses a bundle with %s', async (_, edit) => {
    const bundle = structuredClone(await signWithSigstoreJs('message', data, signer));
    verify(bundle);
    edit(bundle as Parameters<Edit>[0]);
    expect(() => verify(bundle)).toThrow();
  });

  it.each(['tlogs', 'ctlogs', 'certificateAuthorities', 'timestampAuthorities'])(
    'needs the %s that are exported',
    async (member) => {
      const bundle = await signWithSigstoreJs('message', data, signer);
      expect(() => verify(bundle, { ...trustedRoot, [member]: [] })).toThrow();
    },
  );

  it('refuses other bytes', async () => {
    const bundle = await signWithSigstoreJs('message', data, signer);
    expect(() => verify(bundle, trustedRoot, Buffer.from('another artifact'))).toThrow();
  });
});
