import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { encodeHex, parseBase64, parseBase64Url } from '@margo-trust/bytes';
import { parsePublicKey, sha256 } from '@margo-trust/crypto';
import { hashLeaf, rootFromInclusion } from '@margo-trust/merkle';
import { verifyReceipt } from '@margo-trust/receipt';
import { encodePae, parseHashedRekord } from '@margo-trust/sigstore';
import { makeCas, makeLeaf } from '@margo-trust/testkit';
import { parseCheckpoint, parseEntryBundle, parseNote, parseVerifierKey, verifyNote } from '@margo-trust/tlog';
import { parsePem } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestHashedRekord } from '../../../../../test/artifact.ts';
import { admitVendor, call, ensurePki, issueTo, makeCsr } from '../../../../../test/pki.ts';
import { send } from '../../../../../test/probe.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';

/** As clients read it: nothing else may be there. */
interface LogEntry {
  logIndex: string;
  logId: { keyId: string };
  kindVersion: { kind: string; version: string };
  integratedTime: string;
  inclusionProof: {
    logIndex: string;
    rootHash: string;
    treeSize: string;
    hashes: string[];
    checkpoint: { envelope: string };
  };
  canonicalizedBody: string;
}

interface Signatory {
  id: string;
  uri: string;
  key: KeyObject;
  chain: string;
  serial: string;
}

const PATH = '/api/v2/log/entries';
const ORIGIN = 'log.registry.localhost';

describe('the Rekor v2 door', () => {
  let registry: TestRegistry;
  let vendor: Signatory;

  beforeAll(async () => {
    registry = await startTestRegistry();
    await ensurePki(registry);
    vendor = await enrol();
  });
  afterAll(() => registry?.close());

  async function enrol(kind: 'P-256' | 'P-384' | number = 'P-256'): Promise<Signatory> {
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr(kind);
    const { serial, chain } = await issueTo(registry, id, pem);
    return { id, key, chain, serial, uri: `https://${id}.vendors.registry.localhost/` };
  }

  const post = (body: string) =>
    send(registry, { method: 'POST', path: PATH, headers: { 'content-type': 'application/json' }, body });
  const json = ({ bytes }: { bytes: Buffer }) => JSON.parse(bytes.toString()) as LogEntry & { code: string };
  const log = async (body: string): Promise<LogEntry> => {
    const answer = await post(body);
    expect(answer.status, answer.bytes.toString()).toBe(201);
    return json(answer);
  };
  const logKey = async () => {
    const { checkpointKey } = (await call(registry, 'get', '/log/log.json')).body as { checkpointKey: string };
    return parseVerifierKey(checkpointKey);
  };
  const certificateOf = ({ chain }: Signatory) => Buffer.from(parsePem('CERTIFICATE', chain)[0]!).toString('base64');

  /** Checks all that a client checks of the log: body, path, root, checkpoint, key. Returns the leaf. */
  async function verify({ inclusionProof: proof, ...entry }: LogEntry): Promise<Uint8Array> {
    const key = await logKey();
    const note = parseNote(Buffer.from(proof.checkpoint.envelope));
    verifyNote(note, [key]);
    const { origin, size, root } = parseCheckpoint(note.text);
    expect([origin, size.toString(), root]).toEqual([ORIGIN, proof.treeSize, parseBase64(proof.rootHash)]);
    expect(parseBase64(entry.logId.keyId).subarray(0, 4)).toEqual(key.keyHash);
    const leaf = parseBase64(entry.canonicalizedBody);
    const path = proof.hashes.map(parseBase64);
    expect(rootFromInclusion(hashLeaf(leaf), BigInt(entry.logIndex), size, path)).toEqual(root);
    return leaf;
  }

  it('answers a hashedrekord with an entry that proves itself, and nothing more', async () => {
    const request = requestHashedRekord(vendor.key, vendor.chain);
    const entry = await log(request);
    const leaf = await verify(entry);
    const { hashedRekordRequestV002: asked } = JSON.parse(request) as {
      hashedRekordRequestV002: { digest: string; signature: { content: string } };
    };
    expect(Buffer.from(leaf).toString()).toBe(
      `{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","digest":` +
        `"${asked.digest}"},"signature":{"content":"${asked.signature.content}","verifier":{"keyDetails":` +
        `"PKIX_ECDSA_P256_SHA_256","x509Certificate":{"rawBytes":"${certificateOf(vendor)}"}}}}}}`,
    );
    expect(entry).toEqual({
      logIndex: expect.stringMatching(/^\d+$/) as string,
      logId: { keyId: expect.any(String) as string },
      kindVersion: { kind: 'hashedrekord', version: '0.0.2' },
      integratedTime: '0',
      inclusionProof: expect.any(Object) as object,
      canonicalizedBody: expect.any(String) as string,
    });
    expect(Object.keys(entry.inclusionProof)).toEqual(['logIndex', 'rootHash', 'treeSize', 'hashes', 'checkpoint']);
  });

  it('answers the same again with the old entry and 201: cosign takes anything else for a failure', async () => {
    const request = requestHashedRekord(vendor.key, vendor.chain);
    const first = await log(request);
    await log(requestHashedRekord(vendor.key, vendor.chain));
    const again = await log(request);
    expect(again.logIndex).toBe(first.logIndex);
    expect(BigInt(again.inclusionProof.treeSize)).toBeGreaterThan(BigInt(first.inclusionProof.treeSize));
    await verify(again);
  });

  it.each(['P-256', 'P-384'] as const)('takes a DSSE envelope signed with %s, in either spelling', async (kind) => {
    const signatory = kind === 'P-256' ? vendor : await enrol(kind);
    const payload = Buffer.from(JSON.stringify({ _type: 'https://in-toto.io/Statement/v1' }));
    const payloadType = 'application/vnd.in-toto+json';
    const hash = kind === 'P-256' ? 'sha256' : 'sha384';
    const pae = encodePae(payloadType, payload);
    const sig = sign(hash, pae, signatory.key).toString('base64');
    const keyDetails = kind === 'P-256' ? 'PKIX_ECDSA_P256_SHA_256' : 'PKIX_ECDSA_P384_SHA_384';
    const camel = {
      dsseRequestV002: {
        envelope: { payload: payload.toString('base64'), payloadType, signatures: [{ sig, keyid: '' }] },
        verifiers: [{ x509Certificate: { rawBytes: certificateOf(signatory) }, keyDetails }],
      },
    };
    const entry = await log(JSON.stringify(camel));
    const { digest } = parseHashedRekord(await verify(entry));
    expect(Buffer.from(digest)).toEqual(createHash(hash).update(pae).digest());
    const snake = {
      dsse_request_v002: {
        envelope: { payload: payload.toString('base64url'), payload_type: payloadType, signatures: [{ sig }] },
        verifiers: [{ x509_certificate: { raw_bytes: certificateOf(signatory) }, key_details: keyDetails }],
      },
    };
    expect((await log(JSON.stringify(snake))).logIndex).toBe(entry.logIndex);
    const found = await call(registry, 'get', `/api/v1/log/entries?digest=${hash}:${encodeHex(digest)}`);
    expect(found.body.items).toMatchObject([{ index: entry.logIndex, vendorId: signatory.id }]);
  });

  it('is found by vendor, certificate, digest and type, and shown as JSON with a receipt', async () => {
    const entry = await log(requestHashedRekord(vendor.key, vendor.chain));
    const leaf = parseBase64(entry.canonicalizedBody);
    const { digest } = parseHashedRekord(leaf);
    const fingerprint = encodeHex(sha256(parseBase64(certificateOf(vendor))));
    const queries = [`digest=sha256:${encodeHex(digest)}`, `q=sha256:${encodeHex(digest)}`];
    const wide = [`vendor=${vendor.id}&type=rekor`, `certificate=${fingerprint}`, 'type=rekor'];
    for (const query of [...queries, ...wide]) {
      const { items } = (await call(registry, 'get', `/api/v1/log/entries?${query}`)).body as {
        items: { index: string }[];
      };
      expect(items[0]?.index, query).toBe(entry.logIndex);
    }
    const detail = (await call(registry, 'get', `/api/v1/log/entries/${entry.logIndex}`)).body as Record<
      string,
      string
    >;
    expect(parseBase64(detail['leaf']!)).toEqual(leaf);
    expect(detail).toMatchObject({ issuer: vendor.uri, certificateFingerprint: fingerprint });
    expect(parseBase64Url(detail['entryId']!)).toEqual(sha256(leaf));

    const below = (end: string) => send(registry, { method: 'GET', path: `/entries/${detail['entryId']}${end}` });
    const statement = await below('/statement');
    expect(statement.headers['content-type']).toMatch(/^application\/json/);
    expect(Uint8Array.from(statement.bytes)).toEqual(leaf);
    expect((await below('/transparent-statement')).status).toBe(404);
    expect((await below('/proof')).bytes.toString()).toContain('c2sp.org/tlog-proof@v1');
    const { receiptKeys } = (await call(registry, 'get', '/log/log.json')).body as {
      receiptKeys: { kid: string; spki: string; issuer: string }[];
    };
    const [trusted] = receiptKeys.map(({ kid, spki, issuer }) => ({
      kid: parseBase64Url(kid),
      key: parsePublicKey(parseBase64(spki)),
      issuer,
      origin: ORIGIN,
      leafFormat: 'cose-raw' as const,
    }));
    const receipt = Uint8Array.from((await below('')).bytes);
    expect(verifyReceipt(receipt, { stripped: leaf, entry: sha256(leaf) }, [trusted!]).index).toBe(
      BigInt(entry.logIndex),
    );
  });

  it('serves the same files as the log does, under the names that Rekor clients know', async () => {
    const entry = await log(requestHashedRekord(vendor.key, vendor.chain));
    const own = await send(registry, { method: 'GET', path: '/log/checkpoint' });
    const rekor = await send(registry, { method: 'GET', path: '/api/v2/checkpoint' });
    const host = await send(registry, { method: 'GET', path: '/checkpoint', headers: { host: `${ORIGIN}:8080` } });
    expect([rekor.bytes.toString(), host.bytes.toString()]).toEqual([own.bytes.toString(), own.bytes.toString()]);
    const width = Number(parseCheckpoint(parseNote(own.bytes).text).size);
    for (const path of [`/api/v2/tile/entries/000.p/${width}`, `/log/tile/entries/000.p/${width}`]) {
      const bundle = await send(registry, { method: 'GET', path });
      const leaves = parseEntryBundle(Uint8Array.from(bundle.bytes));
      expect(leaves[Number(entry.logIndex)]).toEqual(parseBase64(entry.canonicalizedBody));
    }
    expect((await send(registry, { method: 'GET', path: '/checkpoint' })).status).toBe(404);
  });

  describe('refuses', () => {
    const size = async () => (await call(registry, 'get', '/api/v1/log')).body.size as string;
    type Request = { hashedRekordRequestV002: Record<string, unknown> };
    const change = (
      edit: (entry: { digest: string; signature: { content: string; verifier: Record<string, unknown> } }) => void,
    ) => {
      const request = JSON.parse(requestHashedRekord(vendor.key, vendor.chain)) as Request;
      edit(request.hashedRekordRequestV002 as never);
      return JSON.stringify(request);
    };

    it.each<[string, () => string | Promise<string>, number, string]>([
      [
        'a signature over something else',
        () => change((e) => (e.digest = randomBytes(32).toString('base64'))),
        400,
        'crypto/bad-signature',
      ],
      [
        'a signature of another key',
        () => {
          const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
          return requestHashedRekord(privateKey, vendor.chain);
        },
        400,
        'crypto/bad-signature',
      ],
      [
        'a key without certificate',
        () =>
          change(({ signature: { verifier } }) => {
            delete verifier['x509Certificate'];
            verifier['publicKey'] = { rawBytes: 'AAAA' };
          }),
        400,
        'sigstore/no-certificate',
      ],
      [
        'a certificate of nobody here',
        () =>
          change(({ signature: { verifier } }) => {
            verifier['x509Certificate'] = {
              rawBytes: Buffer.from(makeLeaf(makeCas()).certificate.der).toString('base64'),
            };
          }),
        400,
        'x509/no-path',
      ],
      [
        'a kind of key that is not the certificate’s',
        () =>
          change((e) => {
            e.digest = randomBytes(48).toString('base64');
            e.signature.verifier['keyDetails'] = 'PKIX_ECDSA_P384_SHA_384';
          }),
        400,
        'registration/algorithm-refused',
      ],
      [
        'a digest of another length',
        () => change((e) => (e.digest = randomBytes(31).toString('base64'))),
        400,
        'sigstore/bad-request',
      ],
      [
        'an RSA key',
        async () => {
          const { key, chain } = await enrol(3072);
          return requestHashedRekord(key, chain).replace('PKIX_ECDSA_P256_SHA_256', 'PKIX_RSA_PKCS1V15_3072_SHA256');
        },
        400,
        'sigstore/unsupported',
      ],
      ['another kind of entry', () => JSON.stringify({ intotoV002: {} }), 400, 'sigstore/unsupported'],
      [
        'two entries',
        () =>
          JSON.stringify({
            ...(JSON.parse(requestHashedRekord(vendor.key, vendor.chain)) as object),
            dsseRequestV002: {},
          }),
        400,
        'sigstore/bad-request',
      ],
      ['what is not JSON', () => '{"hashedRekordRequestV002":', 400, 'bytes/bad-json'],
    ])('%s, and logs nothing', async (_, body, status, code) => {
      const request = await body();
      const before = await size();
      const answer = await post(request);
      expect([json(answer).code, answer.status]).toEqual([code, status]);
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(await size()).toBe(before);
    });

    it('a suspended vendor and a revoked certificate, from the moment it is committed', async () => {
      const suspended = await enrol();
      await log(requestHashedRekord(suspended.key, suspended.chain));
      await call(registry, 'post', `/api/v1/vendors/${suspended.id}/suspension`, 'alice', { reason: 'Check.' });
      expect(json(await post(requestHashedRekord(suspended.key, suspended.chain))).code).toBe(
        'registration/vendor-not-active',
      );
      const revoked = await enrol();
      await call(registry, 'post', `/api/v1/certificates/${revoked.serial}/revocation`, 'victor', {
        reason: 'keyCompromise',
      });
      const answer = await post(requestHashedRekord(revoked.key, revoked.chain));
      expect([answer.status, json(answer).code]).toEqual([400, 'registration/certificate-revoked']);
    });
  });
});
