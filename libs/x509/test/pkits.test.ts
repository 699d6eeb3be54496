import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { verifyPath, X509Fault } from '../src/index.ts';

// NIST PKITS 1.0.1: see test/vectors/README.md for where the vectors and the expectations come from.
const folder = new URL('../../../test/vectors/pkits/', import.meta.url);
const cases = JSON.parse(readFileSync(new URL('pkits.json', folder), 'utf8')) as PkitsCase[];

interface PkitsCase {
  section: string;
  title: string;
  /** Anchor … leaf. */
  certs: [string, ...string[]];
  crls: string[];
  should_validate: boolean;
}

/** Policies are not evaluated: whether these paths hold depends on nothing else. */
const isAboutPolicies = ({ section }: PkitsCase) => /^4\.(8|9|10|11|12)\./.test(section);

/** Refused though valid, on purpose. */
const notSupported = new Map([
  ['4.1.4', 'DSA'],
  ['4.1.5', 'DSA'],
  ['4.4.19', 'CRL signed with a key of its own'],
  ['4.5.4', 'CRL signed with the key that replaces that of the path'],
  ['4.5.6', 'CRL signed with a key of its own'],
  ['4.14.22', 'indirect CRL'],
  ['4.14.24', 'indirect CRL'],
  ['4.14.25', 'indirect CRL'],
  ['4.14.28', 'indirect CRL'],
  ['4.14.29', 'indirect CRL'],
  ['4.14.30', 'indirect CRL'],
  ['4.14.33', 'indirect CRL'],
  ['4.15.5', 'delta CRL that takes a certificate off the list'],
]);

function load(kind: 'certs' | 'crls', name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`${kind}/${name}.${kind === 'certs' ? 'crt' : 'crl'}`, folder)));
}

function refusal({ certs, crls }: PkitsCase): string | undefined {
  const [anchor, ...others] = certs.map((name) => load('certs', name));
  try {
    verifyPath({
      leaf: others.at(-1)!,
      intermediates: others.slice(0, -1).reverse(),
      anchors: [anchor!],
      at: new Date('2012-06-01T00:00:00Z'),
      crls: crls.map((name) => load('crls', name)),
      staleCrl: 'refuse',
    });
    return undefined;
  } catch (error) {
    if (error instanceof X509Fault) return `${error.code}: ${error.message}`;
    throw error;
  }
}

describe('NIST PKITS', () => {
  const supported = cases.filter((test) => !isAboutPolicies(test));
  const outcomes = supported.map((test) => ({ test, refusal: refusal(test) }));

  it('accepts no path that is not valid', () => {
    const falseAccepts = outcomes.filter(({ test, refusal }) => !test.should_validate && refusal === undefined);
    expect(falseAccepts.map(({ test }) => `${test.section} ${test.title}`)).toEqual([]);
  });

  it('refuses only those valid paths that need what is not supported', () => {
    const falseRefusals = outcomes.filter(({ test, refusal }) => test.should_validate && refusal !== undefined);
    expect(falseRefusals.map(({ test }) => test.section)).toEqual([...notSupported.keys()]);
  });

  it('covers 247 cases but those about policies', () => {
    expect({ all: cases.length, supported: supported.length, notSupported: notSupported.size }).toEqual({
      all: 247,
      supported: 159,
      notSupported: 13,
    });
  });
});
