import { describe, expect, it } from 'vitest';
import { encodeUtf8 } from '@margo-trust/bytes';
import { makeCas, makeLeaf } from '@margo-trust/testkit';
import {
  areEqualNames,
  derOid,
  derPrimitive,
  derSequence,
  derSetOf,
  encodeSubject,
  nameText,
  OID,
  parseName,
  TAG,
  type GeneralName,
} from '../src/index.ts';
import { Budget } from '../src/budget.ts';
import { verifyNameConstraints } from '../src/name-constraints.ts';

const attribute = (oid: string, text: string, tag: number = TAG.utf8) =>
  derSequence(derOid(oid), derPrimitive(tag, encodeUtf8(text)));
const name = (...rdns: Uint8Array[][]) => parseName(derSequence(...rdns.map((rdn) => derSetOf(rdn))));
const cn = (text: string, tag?: number) => name([attribute(OID.commonName, text, tag)]);

describe('names', () => {
  it('are printed as RFC 4514 says, and nothing in them escapes into the line around them', () => {
    expect(
      nameText(
        parseName(
          encodeSubject({
            country: 'DE',
            state: 'Bayern',
            organization: 'Müller, Söhne & Co. KG',
            commonName: '#1 "x"',
          }),
        ),
      ),
    ).toBe('CN=\\#1 \\"x\\",O=Müller\\, Söhne & Co. KG,ST=Bayern,C=DE');
    expect(nameText(cn('a\u0000b\u202e'))).toBe('CN=a\\00b\\e2\\80\\ae');
    expect(nameText(name([attribute('1.2.3', ' x ')]))).toBe('1.2.3=\\ x\\ ');
  });

  it('are equal whatever the string type, case and space', () => {
    expect(areEqualNames(cn('Acme  Corp', TAG.printable), cn(' acme corp '))).toBe(true);
    expect(areEqualNames(cn('Acme'), cn('Acne'))).toBe(false);
    expect(areEqualNames(cn('Straße'), cn('STRASSE'))).toBe(false);
  });

  it('are equal whatever the order inside an RDN, but not that of the RDNs', () => {
    const [a, b] = [attribute(OID.commonName, 'a'), attribute(OID.organization, 'b')];
    expect(areEqualNames(name([a, b]), name([b, a]))).toBe(true);
    expect(areEqualNames(name([a], [b]), name([b], [a]))).toBe(false);
    expect(areEqualNames(name([a], [b]), name([a, b]))).toBe(false);
  });

  it('do not confuse a text that looks like hex with a value of unknown type', () => {
    const opaque = name([derSequence(derOid(OID.commonName), derPrimitive(0x04, Uint8Array.of(1)))]);
    expect(nameText(opaque)).toBe('CN=\\#040101');
    expect(areEqualNames(opaque, cn('#040101'))).toBe(false);
  });
});

describe('name constraints', () => {
  const { certificate } = makeLeaf(makeCas());
  const isAllowed = (san: GeneralName, base: GeneralName, list: 'permitted' | 'excluded') => {
    const constraints = { permitted: [], excluded: [], [list]: [base] };
    try {
      verifyNameConstraints({ ...certificate, sans: [san] }, [constraints], new Budget());
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: 'x509/name-constraints' });
      return false;
    }
  };
  const text = (type: 'dns' | 'uri' | 'rfc822', value: string) => ({ type, value }) as const;
  const ip = (...octets: number[]) => ({ type: 'ip', address: Uint8Array.from(octets) }) as const;

  it.each([
    [text('dns', 'example.com'), text('dns', 'example.com'), true],
    [text('dns', 'WWW.Example.com'), text('dns', 'example.COM'), true],
    [text('dns', 'badexample.com'), text('dns', 'example.com'), false],
    [text('dns', 'example.com'), text('dns', '.example.com'), false],
    [text('dns', 'a.example.com'), text('dns', '.example.com'), true],
    [text('dns', 'anything'), text('dns', ''), true],
    [text('rfc822', 'a@example.com'), text('rfc822', 'example.com'), true],
    [text('rfc822', 'a@mail.example.com'), text('rfc822', 'example.com'), false],
    [text('rfc822', 'a@mail.example.com'), text('rfc822', '.example.com'), true],
    [text('rfc822', 'a@EXAMPLE.com'), text('rfc822', 'a@example.com'), true],
    [text('rfc822', 'A@example.com'), text('rfc822', 'a@example.com'), false],
    [text('uri', 'https://example.com/x'), text('uri', 'example.com'), true],
    [text('uri', 'https://a.example.com:8443/'), text('uri', '.example.com'), true],
    [text('uri', 'https://example.com/'), text('uri', '.example.com'), false],
    [text('uri', 'https://example.com@evil.org/'), text('uri', 'example.com'), false],
    [ip(10, 1, 2, 3), ip(10, 0, 0, 0, 255, 0, 0, 0), true],
    [ip(11, 1, 2, 3), ip(10, 0, 0, 0, 255, 0, 0, 0), false],
  ])('say whether %j lies in %j', (san, base, isInside) => {
    expect(isAllowed(san, base, 'permitted')).toBe(isInside);
    expect(isAllowed(san, base, 'excluded')).toBe(!isInside);
  });

  it('refuse names that can not be compared, permitted and excluded alike', () => {
    for (const list of ['permitted', 'excluded'] as const) {
      for (const uri of ['urn:x:y', 'https://10.0.0.1/', 'https://[::1]/', 'https:///x', 'https://a..b/']) {
        expect(isAllowed(text('uri', uri), text('uri', 'example.com'), list)).toBe(false);
      }
      const other = { type: 'other', tag: 0xa0, content: new Uint8Array() } as const;
      expect(isAllowed(other, other, list)).toBe(false);
    }
  });

  it('reach mailboxes beyond ASCII, and wildcards that stand for what is excluded', () => {
    const mailbox = { type: 'other', tag: 0xa0, content: derOid('1.3.6.1.5.5.7.8.9') } as const;
    const registered = { type: 'other', tag: 0xa0, content: derOid('1.3.6.1.5.5.7.8.7') } as const;
    for (const list of ['permitted', 'excluded'] as const) {
      expect(isAllowed(mailbox, text('rfc822', 'example.com'), list)).toBe(false);
      expect(isAllowed(registered, text('rfc822', 'example.com'), list)).toBe(true);
    }
    expect(isAllowed(text('dns', '*.example.com'), text('dns', 'www.example.com'), 'excluded')).toBe(false);
    expect(isAllowed(text('dns', '*.example.org'), text('dns', 'www.example.com'), 'excluded')).toBe(true);
    expect(isAllowed(text('dns', '*.example.com'), text('dns', 'www.example.com'), 'permitted')).toBe(false);
  });

  it('say nothing about other forms', () => {
    expect(isAllowed(text('uri', 'urn:x'), text('dns', 'example.com'), 'permitted')).toBe(true);
  });

  it('bound the subject', () => {
    const base = (organization: string) => ({
      permitted: [
        { type: 'directory', name: parseName(derSequence(derSetOf([attribute(OID.country, organization)]))) } as const,
      ],
      excluded: [],
    });
    verifyNameConstraints(certificate, [base('de')], new Budget());
    expect(() => verifyNameConstraints(certificate, [base('de'), base('fr')], new Budget())).toThrow(
      expect.objectContaining({ code: 'x509/name-constraints' }),
    );
  });

  it('are not worked through when there are too many', () => {
    const many = Array.from({ length: 400 }, (_, i) => text('dns', `${i}.example`));
    expect(() =>
      verifyNameConstraints({ ...certificate, sans: many }, [{ permitted: many, excluded: [] }], new Budget()),
    ).toThrow(expect.objectContaining({ code: 'x509/too-complex' }));
  });
});
