import { describe, expect, it } from 'vitest';
import { describeKey, parsePkcs11Uri } from '../src/index.ts';

const MODULE = 'module-path=/usr/lib/hsm.so';

describe('parsePkcs11Uri', () => {
  it('reads what names a key, percent signs and all (RFC 7512 §2.3)', () => {
    const uri = parsePkcs11Uri(
      `pkcs11:token=The%20registry;serial=42;object=ca%2Fissuing;id=%01%Fez;type=private?${MODULE}&pin-source=file:///run/pin\n`,
    );
    expect(uri).toEqual({
      ...{ modulePath: '/usr/lib/hsm.so', token: 'The registry', serial: '42', object: 'ca/issuing' },
      ...{ id: Uint8Array.of(1, 0xfe, 0x7a), pinFile: '/run/pin' },
    });
    expect(describeKey(uri)).toBe('ca/issuing on token The registry');
  });

  it.each(['file:/run/pin', '/run/pin', 'file:///run/pin'])('takes %s for the file of the PIN', (source) => {
    expect(parsePkcs11Uri(`pkcs11:token=t;object=o?${MODULE}&pin-source=${source}`).pinFile).toBe('/run/pin');
  });

  it.each([
    ['another scheme', `file:token=t;object=o?${MODULE}`],
    ['a space', `pkcs11:token=a b;object=o?${MODULE}`],
    ['a PIN in it', `pkcs11:token=t;object=o?${MODULE}&pin-value=1234`],
    ['a program for the PIN', `pkcs11:token=t;object=o?${MODULE}&pin-source=|cat`],
    ['a path that is not absolute', 'pkcs11:token=t;object=o?module-path=hsm.so'],
    ['no module', 'pkcs11:token=t;object=o'],
    ['no token', `pkcs11:object=o?${MODULE}`],
    ['no key', `pkcs11:token=t?${MODULE}`],
    ['a public key', `pkcs11:token=t;object=o;type=public?${MODULE}`],
    ['an attribute we do not know', `pkcs11:token=t;object=o;slot-id=1?${MODULE}`],
    ['an attribute twice', `pkcs11:token=t;object=o;object=p?${MODULE}`],
    ['half an octet', `pkcs11:token=t;object=o%2?${MODULE}`],
  ])('refuses %s', (_, uri) => {
    expect(() => parsePkcs11Uri(uri)).toThrow(expect.objectContaining({ code: 'pkcs11/bad-uri' }));
  });
});
