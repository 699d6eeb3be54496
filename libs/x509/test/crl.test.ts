import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeHex } from '@margo-trust/bytes';
import { makeCas, makeCrl, nextSerial, openssl, TEST_CRL_URL, TEST_DAY } from '@margo-trust/testkit';
import { encodeTbsCrl, lintCrl, parseCrl, verifyCrl, type CrlReason } from '../src/index.ts';

const cas = makeCas();
const issuer = cas.issuing.certificate;
const scope = { holds: 'leaves', url: TEST_CRL_URL } as const;
const context = { issuer, scope };
const crlText = (der: Uint8Array) =>
  openssl(['crl', '-inform', 'DER', '-in', 'x.crl', '-noout', '-text'], { 'x.crl': der }).output;

describe('CRLs', () => {
  it('list what openssl reads, empty or not', () => {
    const empty = makeCrl(cas.issuing, { number: 0xabcdefn });
    expect(crlText(empty)).toMatch(/No Revoked Certificates[^]*/);
    expect(lintCrl(empty, context)).toEqual([]);

    const serialHex = encodeHex(nextSerial());
    const full = makeCrl(cas.issuing, {
      number: 0xabcdefn,
      entries: [
        { serialHex, revokedAt: TEST_DAY, reason: 'keyCompromise', invalidityDate: new Date('2026-05-01T00:00:00Z') },
      ],
    });
    const text = crlText(full);
    expect(text).toContain(
      `Serial Number: ${serialHex.toUpperCase()}\n        Revocation Date: Jun  1 00:00:00 2026 GMT`,
    );
    expect(text).toMatch(/CRL Reason Code: \n +Key Compromise/);
    expect(text).toMatch(/Invalidity Date: \n +May  1 00:00:00 2026 GMT/);
    expect(text).toMatch(
      /Issuing Distribution Point: critical\n[^]*URI:http:\/\/registry.example\/crl\/issuing-1\/0.crl/,
    );
    expect(text).toMatch(/CRL Number: \n +(0xABCDEF|11259375)/);
    expect(lintCrl(full, context)).toEqual([]);
  });

  it('read back as they were specified', () => {
    const reasons: (CrlReason | undefined)[] = [undefined, 'keyCompromise', 'superseded', 'privilegeWithdrawn'];
    const entry = fc.record({
      serialHex: fc
        .uint8Array({ minLength: 1, maxLength: 20 })
        .map((b) => encodeHex(Uint8Array.of(0x40, ...b.slice(1)))),
      revokedAt: fc.integer({ min: 0, max: 4_000_000_000 }).map((second) => new Date(second * 1000)),
      reason: fc.constantFrom(...reasons),
    });
    fc.assert(
      fc.property(fc.uniqueArray(entry, { selector: ({ serialHex }) => serialHex, maxLength: 20 }), (entries) => {
        const listed = entries.map(({ reason, ...rest }) => ({ ...rest, ...(reason ? { reason } : {}) }));
        const crl = parseCrl(makeCrl(cas.issuing, { entries: listed }));
        const expected = listed.map(({ serialHex, ...rest }) => [serialHex, rest]);
        expect([...crl.entries]).toEqual(expected);
        verifyCrl(crl, issuer);
      }),
      { numRuns: 30 },
    );
  });

  it('cost time in proportion to their entries: 100,000 in well under a second', () => {
    const revokedAt = TEST_DAY;
    const entries = Array.from({ length: 100_000 }, (_, i) => ({
      serialHex: `40${i.toString(16).padStart(30, '0')}`,
      revokedAt,
      reason: 'keyCompromise' as const,
    }));
    const times = { issuer, thisUpdate: TEST_DAY, nextUpdate: new Date('2026-06-02T00:00:00Z'), number: 1n, scope };
    const start = performance.now();
    const tbs = encodeTbsCrl({ ...times, entries });
    expect(performance.now() - start).toBeLessThan(20_000);
    expect(tbs.length / entries.length).toBeCloseTo(49, 1);
    expect(Buffer.compare(encodeTbsCrl({ ...times, entries: entries.values() }), tbs)).toBe(0);
  });

  it('are refused when they make no sense', () => {
    const invalid = expect.objectContaining({ code: 'x509/invalid-spec' });
    const entry = { serialHex: '40', revokedAt: TEST_DAY };
    expect(() => makeCrl(cas.issuing, { entries: [entry, entry] })).toThrow(invalid);
    expect(() => makeCrl(cas.issuing, { entries: [{ ...entry, serialHex: 'ABCD' }] })).toThrow(invalid);
    expect(() => makeCrl(cas.issuing, { number: -1n })).toThrow(invalid);
    expect(() => makeCrl(cas.issuing, { nextUpdate: new Date('2026-01-01T00:00:00Z') })).toThrow(invalid);
    expect(() => makeCrl(cas.issuing, { scope: { holds: 'leaves', url: 'https://x/' } })).toThrow(invalid);
  });

  it('are held to their profile', () => {
    const rules = (der: Uint8Array, other = context) => lintCrl(der, other).map((finding) => finding.split(':')[0]);
    const entry = { serialHex: '40', revokedAt: TEST_DAY };
    expect(rules(makeCrl(cas.issuing, { entries: [{ ...entry, reason: 'certificateHold' }] }))).toEqual([
      'crl-entries-are-final',
    ]);
    expect(rules(makeCrl(cas.issuing, { nextUpdate: new Date('2026-08-01T00:00:00Z') }))).toEqual([
      'crl-is-renewed-in-time',
    ]);
    expect(rules(makeCrl(cas.issuing, { scope: { holds: 'cas' } }))).toEqual(['crl-states-scope']);
    expect(rules(makeCrl(cas.root))).toEqual(['crl-is-from-issuer']);
  });

  it('are not believed from another CA', () => {
    const crl = parseCrl(makeCrl(cas.issuing));
    expect(() => verifyCrl(crl, cas.root.certificate)).toThrow(
      expect.objectContaining({ code: 'x509/crl-not-usable' }),
    );
    expect(() => verifyCrl(crl, makeCas().issuing.certificate)).toThrow(
      expect.objectContaining({ code: 'x509/bad-signature' }),
    );
    expect(() => verifyCrl({ ...crl, hasUnknownCriticalEntry: true }, issuer)).toThrow(
      expect.objectContaining({ code: 'x509/crl-not-usable' }),
    );
  });

  it('may be no larger than asked for', () => {
    expect(() => parseCrl(makeCrl(cas.issuing), { maxBytes: 100 })).toThrow(
      expect.objectContaining({ code: 'x509/too-large' }),
    );
  });
});
