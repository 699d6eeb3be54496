import { randomBytes } from 'node:crypto';
import { encodeTimestampRequest, parseTimestampResponse, TimestampFault } from '@margo-trust/timestamp';
import { encodePem, parsePem } from '@margo-trust/x509';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BAD_JSON, deepCbor, deepDer } from '../../../../test/hostile-input.ts';
import { jsonOperations } from '../../../../test/hostile-json.ts';
import { BODIES, COSE, FULCIO, HostileWorld, REKOR, TSQ } from '../../../../test/hostile-world.ts';
import { makeCsr } from '../../../../test/pki.ts';
import { type Answer, type Call, flawOfAnswer, flawOfRefusal, mutate } from '../../../../test/probe.ts';

describe('hostile bytes over HTTP', () => {
  let world: HostileWorld;
  beforeAll(async () => {
    world = await HostileWorld.start();
  });
  afterAll(() => world?.close());
  afterEach(() => world.expectUnharmed());

  it('refuses whatever is not COSE at /entries, in CBOR', async () => {
    const bodies: Record<string, string | Buffer> = {
      ...BAD_JSON,
      '30,000 arrays of CBOR': deepCbor(30_000),
      'a million arrays of CBOR': deepCbor(1_000_000),
      'an array of 2^32 items': Buffer.from('d29affffffff', 'hex'),
      'an array of 2^64 items': Buffer.from('d29bffffffffffffffff', 'hex'),
      'text of 2^63 bytes': Buffer.from('d2847b7fffffffffffffff', 'hex'),
      'an indefinite array': Buffer.from('d29fff', 'hex'),
      'a COSE_Sign1 of nothing': Buffer.from('d28440a0f640', 'hex'),
      'a COSE_Sign1 of a deep header': Buffer.concat([
        Buffer.from('d28459', 'hex'),
        Buffer.from([0x75, 0x31]),
        deepCbor(30_000),
        Buffer.from('a04040', 'hex'),
      ]),
      'a map of a million zeros': Buffer.concat([Buffer.from('ba000f4240', 'hex'), Buffer.alloc(1_000_000)]),
      'one byte too many': Buffer.alloc(1_048_577, 0xd2),
      'half a statement': Buffer.from(world.things.statement.subarray(0, world.things.statement.length / 2)),
      'a statement and a byte': Buffer.concat([world.things.statement, Buffer.from([0])]),
    };
    const call = { method: 'POST', path: '/entries', headers: COSE };
    const calls = Object.entries(bodies).map(([name, body]): [string, Call] => [name, { ...call, body }]);
    for (const type of ['', 'application/json', 'application/cbor', 'multipart/form-data'])
      calls.push([`as ${type}`, { ...call, headers: { 'content-type': type }, body: world.things.statement }]);
    expect(await world.flaws(calls, flawOfRefusal)).toEqual([]);
  });

  it('refuses whatever is not a request to Rekor, and makes no new entry of any damaged one', async () => {
    const calls = Object.entries(BAD_JSON).map(([name, body]): [string, Call] => [name, { ...REKOR, body }]);
    calls.push(['one byte too many', { ...REKOR, body: Buffer.alloc(1_048_577, 0x20) }]);
    calls.push(['as text', { ...REKOR, headers: { 'content-type': 'text/plain' }, body: world.things.rekorRequest }]);
    expect(await world.flaws(calls, flawOfRefusal)).toEqual([]);
    const bytes = Buffer.from(world.things.rekorRequest);
    await world.manyTimes(
      1_000,
      (below) => ({ ...REKOR, body: mutate(bytes, below) }),
      // Damage to what nobody reads leaves the same entry: that there is no other one is looked at after every test.
      (call, answer) => (answer.status === 201 ? undefined : flawOfRefusal(call, answer)),
    );
  });

  it('gives no certificate for whatever is not a request of a build, or is a damaged one', async () => {
    const calls = Object.entries(BAD_JSON).map(([name, body]): [string, Call] => [name, { ...FULCIO, body }]);
    calls.push(['one byte too many', { ...FULCIO, body: Buffer.alloc(65_537, 0x20) }]);
    const token = world.things.bearers.vendor.slice('Bearer '.length);
    const certificateSigningRequest = Buffer.from(makeCsr().pem).toString('base64');
    const valid = JSON.stringify({ credentials: { oidcIdentityToken: token }, certificateSigningRequest });
    calls.push(['as text', { ...FULCIO, headers: { 'content-type': 'text/plain' }, body: valid }]);
    for (const credential of ['', 'x', '..', 'e30.e30.e30', `${token}x`, token.replaceAll('.', '..'), 'é.é.é', '\0']) {
      const body = JSON.stringify({ credentials: { oidcIdentityToken: credential }, certificateSigningRequest });
      calls.push([`with the token ${credential.slice(0, 20)}`, { ...FULCIO, body }]);
    }
    for (const authorization of ['Bearer', 'Bearer ', 'Basic eDp4', `Bearer ${token} ${token}`, `bearer ${token}`]) {
      const body = JSON.stringify({ certificateSigningRequest });
      calls.push([authorization.slice(0, 20), { ...FULCIO, headers: { ...FULCIO.headers, authorization }, body }]);
    }
    expect(await world.flaws(calls, flawOfRefusal)).toEqual([]);
    await world.manyTimes(500, (below) => ({ ...FULCIO, body: mutate(Buffer.from(valid), below) }), flawOfRefusal);
  });

  it('refuses or rejects whatever is not a query at /tsa', async () => {
    const call = { method: 'POST', path: '/tsa', headers: TSQ };
    const bodies: Record<string, string | Buffer> = {
      ...BAD_JSON,
      'a deep SEQUENCE': deepDer(4_096),
      'an indefinite SEQUENCE': Buffer.from('3080'.repeat(2_000), 'hex'),
      'a length of 2^32': Buffer.from('3084ffffffff', 'hex'),
      'one byte too many': Buffer.alloc(4_097, 0x30),
    };
    const calls = Object.entries(bodies).map(([name, body]): [string, Call] => [name, { ...call, body }]);
    expect(await world.flaws(calls, judgeTimestamp)).toEqual([]);
    for (const [name, wrong] of calls) expect(isGranted(await world.ask(wrong)), name).toBe(false);
    const typed = [
      ...['', 'application/json'].map((type) => ({ ...call, headers: { 'content-type': type }, body: 'x' })),
    ];
    expect(
      await world.flaws(
        typed.map((wrong) => ['type', wrong]),
        flawOfRefusal,
      ),
    ).toEqual([]);
  });

  it('refuses whatever is not a certification request', async () => {
    const operation = jsonOperations.find(({ body }) => body === 'CertificateRequest')!;
    const ders = {
      nothing: Buffer.alloc(0),
      'an empty SEQUENCE': Buffer.from([0x30, 0]),
      'a deep SEQUENCE': deepDer(14_000),
      'an indefinite SEQUENCE': Buffer.from('3080'.repeat(7_000), 'hex'),
      'a length of 2^32': Buffer.from('3084ffffffff', 'hex'),
      'random bytes': randomBytes(1_000),
    };
    const calls = Object.entries(ders).map(([name, der]): [string, Call] => [
      name,
      { ...world.callOf(operation), body: JSON.stringify({ csr: encodePem('CERTIFICATE REQUEST', der) }) },
    ]);
    expect(await world.flaws(calls, flawOfRefusal)).toEqual([]);
  });

  it('makes no new entry of any damaged statement', async () => {
    const original = (
      await world.ask({ method: 'POST', path: '/entries', headers: COSE, body: world.things.statement })
    ).headers['location'];
    await world.manyTimes(
      2_000,
      (below) => ({ method: 'POST', path: '/entries', headers: COSE, body: mutate(world.things.statement, below) }),
      (call, answer) =>
        // Damage to what the signature does not cover, such as a certificate we know anyway, leaves the same world.things.statement.
        answer.status === 201 && answer.headers['location'] === original ? undefined : flawOfRefusal(call, answer),
    );
  });

  it('certifies no damaged request', async () => {
    const operation = jsonOperations.find(({ body }) => body === 'CertificateRequest')!;
    const [der = new Uint8Array()] = parsePem('CERTIFICATE REQUEST', String(BODIES['CertificateRequest']?.['csr']));
    const call = world.callOf(operation);
    await world.manyTimes(
      1_000,
      (below) => ({ ...call, body: JSON.stringify({ csr: encodePem('CERTIFICATE REQUEST', mutate(der, below)) }) }),
      flawOfRefusal,
    );
  });

  it("refuses or rejects whatever is not a query at Sigstore's path", async () => {
    const call = { method: 'POST', path: '/api/v1/timestamp', headers: { 'content-type': 'application/json' } };
    const calls = Object.entries(BAD_JSON).map(([name, body]): [string, Call] => [name, { ...call, body }]);
    expect(await world.flaws(calls, flawOfRefusal)).toEqual([]);
    const valid = JSON.stringify({
      ...{ artifactHash: randomBytes(32).toString('base64'), hashAlgorithm: 'sha256', certificates: true, nonce: 7 },
    });
    await world.manyTimes(500, (below) => ({ ...call, body: mutate(Buffer.from(valid), below) }), flawOfAnswer);
  });

  it('stamps or rejects any damaged query', async () => {
    const query = encodeTimestampRequest({ hash: 'SHA-256', imprint: randomBytes(32), nonce: 7n, certReq: true });
    const call = { method: 'POST', path: '/tsa', headers: TSQ };
    expect(isGranted(await world.ask({ ...call, body: query }))).toBe(true);
    await world.manyTimes(1_000, (below) => ({ ...call, body: mutate(query, below) }), judgeTimestamp);
  });

  it('survives any damaged JSON', async () => {
    const operation = jsonOperations.find(({ body }) => body === 'VendorApplication')!;
    const call = world.callOf(operation);
    await world.manyTimes(
      1_000,
      (below) => ({ ...call, body: mutate(Buffer.from(String(call.body)), below) }),
      flawOfAnswer,
    );
  });
});

/** A time-stamping authority answers 200 also when it rejects (RFC 3161 §3.4). */
function judgeTimestamp(call: Call, answer: Answer): string | undefined {
  if (answer.status !== 200) return flawOfRefusal(call, answer);
  return answer.headers['content-type'] === 'application/timestamp-reply' ? undefined : 'not a reply';
}

function isGranted({ status, bytes }: Answer): boolean {
  if (status !== 200) return false;
  try {
    parseTimestampResponse(Uint8Array.from(bytes));
    return true;
  } catch (error) {
    if (error instanceof TimestampFault && error.code === 'timestamp/refused') return false;
    throw error;
  }
}
