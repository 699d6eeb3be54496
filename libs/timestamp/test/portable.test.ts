import { expect, it } from 'vitest';
import { encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { makeCas, TEST_DAY } from '@margo-trust/testkit';
import { openInBareEngine } from '../../../test/unit/bare-engine.ts';
import { draftTimestampToken } from '../src/index.ts';

it('verifies tokens in an engine that has only the language', async () => {
  const { tsa, tsaCa } = makeCas();
  const message = encodeUtf8('the bytes of a signature');
  const draft = draftTimestampToken({
    hash: 'SHA-256',
    imprint: sha256(message),
    serial: 1n,
    genTime: TEST_DAY,
    policy: '1.2.3',
    tsaCertificate: tsa.certificate,
    includeCertificate: true,
  });
  const token = encodeHex(draft.finish(tsa.key.sign(draft.toBeSigned, draft.algorithm)));
  const bare = await openInBareEngine(new URL('./portable-entry.ts', import.meta.url));
  try {
    const anchor = encodeHex(tsaCa.certificate.der);
    expect(bare.call('verify', token, encodeHex(message), anchor)).toBe(
      'CN=TSA 1,O=Registry Example,C=DE 2026-06-01T00:00:00.000Z',
    );
    expect(() => bare.call('verify', token, '00', anchor)).toThrow(
      expect.objectContaining({ code: 'timestamp/imprint-mismatch' }),
    );
  } finally {
    bare.close();
  }
});
