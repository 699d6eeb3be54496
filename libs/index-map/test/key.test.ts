import { encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { World } from '@margo-trust/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  describeMapRecord,
  findMapRecord,
  hashKey,
  keysOfFacts,
  keysOfRawLeaf,
  keysOfStatement,
  parseIndexKey,
} from '../src/index.ts';

const ID = '01jd0000000000000000000000';
const digestOf = (name: string) => `sha256:${encodeHex(sha256(encodeUtf8(name)))}`;

describe('keys of a statement', () => {
  const world = new World();
  const vendor = world.vendor(ID);
  const signer = [
    { kind: 'vendor', value: ID },
    { kind: 'certificate', value: encodeHex(sha256(vendor.certificate.der)) },
  ];

  it('are the vendor, the digest and the certificate of a signature', () => {
    const digest = digestOf('image');
    const target = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 7 };
    const keys = keysOfStatement(world.signArtifact(vendor, target));
    expect(keys).toHaveLength(3);
    expect(keys).toEqual(expect.arrayContaining([...signer, { kind: 'digest', value: digest }]));
  });

  it('are the application and every digest of a release, each once', () => {
    const item = (name: string) => ({ mediaType: 'm/t', digest: digestOf(name), size: 1 });
    const manifests = [{ platform: 'linux/arm64', ...item('arm') }];
    const release = {
      applicationId: 'acme-pump',
      version: '1.0.0',
      package: item('package'),
      components: [item('chart'), item('package')],
      images: [{ ...item('index'), manifests }],
    };
    const digests = ['package', 'chart', 'index', 'arm'].map((name) => ({ kind: 'digest', value: digestOf(name) }));
    const keys = keysOfStatement(world.signRelease(vendor, release));
    expect(keys).toHaveLength(7);
    expect(keys).toEqual(expect.arrayContaining([...signer, ...digests, { kind: 'application', value: 'acme-pump' }]));
  });

  it('are vendor and certificate of a record, and none of what the registry says beside', () => {
    const fingerprint = 'ab'.repeat(32);
    const record = world.record(`certificate:${fingerprint}`, {
      record: 'certificate-issued',
      vendor: ID,
      fingerprint,
    });
    expect(keysOfStatement(record)).toEqual([
      { kind: 'vendor', value: ID },
      { kind: 'certificate', value: fingerprint },
    ]);
    expect(keysOfStatement(world.record('x', { record: 'other', vendor: 7, fingerprint: 'AB' }))).toEqual([]);
    expect(keysOfStatement(world.record('x', describeMapRecord({ size: 7n, root: new Uint8Array(32) })))).toEqual([]);
  });

  it('are the signer and the digest of a leaf of Sigstore tools', () => {
    const leaf = {
      kind: 'hashedrekord',
      spec: {
        hashedRekordV002: {
          data: { algorithm: 'SHA2_256', digest: Buffer.from(sha256(encodeUtf8('blob'))).toString('base64') },
          signature: {
            verifier: { x509Certificate: { rawBytes: Buffer.from(vendor.certificate.der).toString('base64') } },
          },
        },
      },
    };
    const keys = keysOfRawLeaf(encodeUtf8(JSON.stringify(leaf)));
    expect(keys).toHaveLength(3);
    expect(keys).toEqual(expect.arrayContaining([...signer, { kind: 'digest', value: digestOf('blob') }]));
  });

  it('come of any bytes or none', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void expect(keysOfRawLeaf(bytes)).toEqual([])));
    fc.assert(fc.property(fc.json(), (text) => void keysOfRawLeaf(encodeUtf8(text))));
  });
});

describe('a key', () => {
  it('is spelt in one way', () => {
    expect(parseIndexKey('vendor', ID)).toEqual({ kind: 'vendor', value: ID });
    for (const [kind, value] of [
      ['vendor', ID.toUpperCase()],
      ['vendor', `https://${ID}.vendors.registry.example/`],
      ['digest', 'sha256:AB'],
      ['certificate', 'ab'],
      ['application', ''],
      ['toString', 'x'],
    ] as const) {
      expect(() => parseIndexKey(kind, value)).toThrow(expect.objectContaining({ code: 'index/bad-key' }));
    }
    expect(keysOfFacts({ vendorId: 'NOT ONE', digests: ['md5:00'] })).toEqual([]);
  });

  it('has a place by kind and value', () => {
    const value = 'ab'.repeat(32);
    // printf '\x03\x04…' | sha256sum
    expect(encodeHex(hashKey({ kind: 'certificate', value }))).toBe(
      'ad47da7f0e66cbc3879901aaf41d550c922c1309ac108357a8c6dd64d1c30d54',
    );
    expect(hashKey({ kind: 'application', value })).not.toEqual(hashKey({ kind: 'certificate', value }));
  });
});

describe('the record of a map', () => {
  const encode = (value: object) => encodeUtf8(JSON.stringify(value));

  it('is read back as it was written', () => {
    const record = { size: 12_345n, root: sha256(encodeUtf8('root')) };
    expect(findMapRecord(encode(describeMapRecord(record)))).toEqual(record);
  });

  it('is told from other records, and refused when malformed', () => {
    expect(findMapRecord(encode({ record: 'vendor-admitted' }))).toBeUndefined();
    expect(findMapRecord(encodeUtf8('no JSON'))).toBeUndefined();
    const good = describeMapRecord({ size: 1n, root: new Uint8Array(32) });
    for (const change of [{ size: 1 }, { size: '01' }, { root: 'zz' }, { root: '00' }]) {
      expect(() => findMapRecord(encode({ ...good, ...change }))).toThrow(
        expect.objectContaining({ code: 'index/bad-record' }),
      );
    }
  });
});
