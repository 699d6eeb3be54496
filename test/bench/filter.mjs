import { randomBytes } from 'node:crypto';
import { buildRevocationFilter, FilterKeys, openRevocationFilter } from '@margo-trust/revocation-filter';

const ISSUED = 1_000_000;

/** The exact revocation filter over a million certificates with random serial numbers, one in a hundred revoked. */
export function measureFilter() {
  const issuer = Uint8Array.from(randomBytes(20));
  const random = Uint8Array.from(randomBytes(16 * ISSUED));
  const serial = (n) => random.subarray(16 * n, 16 * n + 16);
  const isRevoked = (n) => n % 100 === 0;

  const [revoked, valid] = [new FilterKeys(), new FilterKeys()];
  const hashing = timed(() => {
    for (let n = 0; n < ISSUED; n += 1) (isRevoked(n) ? revoked : valid).add(issuer, serial(n));
  });
  const content = { origin: 'log.example', logSize: ISSUED, issuers: [issuer], salt: random.subarray(0, 16) };
  let bytes;
  const building = timed(() => (bytes = buildRevocationFilter({ ...content, revoked, valid })));
  const filter = openRevocationFilter(bytes);
  let wrong = 0;
  const asking = timed(() => {
    for (let n = 0; n < ISSUED; n += 1) if (filter.isRevoked(issuer, serial(n)) !== isRevoked(n)) wrong += 1;
  });
  if (wrong > 0) throw new Error(`The filter is wrong about ${wrong} certificates.`);
  return [
    ['1 M certificates, 10 k revoked: size', `${bytes.length} bytes`],
    ['hashing serial numbers, once in the life of a certificate', seconds(hashing)],
    ['building a filter of them', seconds(building)],
    ['wrong answers over all of them', `${wrong} of ${ISSUED}`],
    ['questions', `${Math.round(ISSUED / (asking / 1000))}/s`],
  ];
}

function timed(run) {
  const begin = performance.now();
  run();
  return performance.now() - begin;
}

const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`;
