import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeOwnCa, makeOwnLeaf } from '@margo-trust/testkit';
import { parseCertificate, parsePem } from '@margo-trust/x509';
import { describe, expect, it } from 'vitest';
import { findPublicCa } from './public-cas.ts';

const BUNDLE = '/usr/share/ca-certificates/mozilla';

describe('findPublicCa', () => {
  const named = (organization: string) => makeOwnCa({ subject: { organization } });

  it('knows a CA by its organisation, however that is written', () => {
    for (const name of ['DigiCert, Inc.', 'DIGICERT INC', 'Sectigo Limited', 'sigstore.dev']) {
      expect(findPublicCa(named(name).certificate, 'Acme')).toBe(name);
    }
    expect(findPublicCa(named('Acme').certificate, 'Acme')).toBeUndefined();
  });

  it('knows what such a CA has issued', () => {
    const { certificate } = makeOwnLeaf(named('GlobalSign nv-sa'), { subject: { organization: 'Acme' } });
    expect(findPublicCa(certificate, 'Acme')).toBe('GlobalSign nv-sa');
  });

  it('lets a company that runs one bring another', () => {
    expect(findPublicCa(named('Atos').certificate, 'Atos')).toBeUndefined();
  });

  it.skipIf(!existsSync(BUNDLE))('knows what operating systems trust, also for a vendor of that name', () => {
    const read = readdirSync(BUNDLE).flatMap((file) => {
      const [der] = parsePem('CERTIFICATE', readFileSync(join(BUNDLE, file), 'utf8'));
      try {
        return [parseCertificate(der!)];
      } catch {
        return []; // SHA-1 and keys of 1024 bits: never an anchor
      }
    });
    // Later bundles have roots that the list does not; most stay for decades.
    const known = read.filter((certificate) => findPublicCa(certificate, certificate.subjectText) !== undefined);
    expect(read.length).toBeGreaterThan(80);
    expect(known.length / read.length).toBeGreaterThan(0.8);
  });
});
