import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { describe, expect, it } from 'vitest';
import { OID, STRENGTH, verifyPath, X509Fault, type PathRequest } from '../src/index.ts';

// NIST PKITS 1.0.1: see test/vectors/README.md for where the vectors and the expectations come from.
const repository = new URL('../../../', import.meta.url);
const folder = new URL('test/vectors/pkits/', repository);
const cases = JSON.parse(readFileSync(new URL('pkits.json', folder), 'utf8')) as PkitsCase[];

interface PkitsCase {
  readonly section: string;
  readonly title: string;
  /** The anchor first, the leaf last. */
  readonly certs: readonly [string, ...string[]];
  readonly crls: readonly string[];
  readonly should_validate: boolean;
  /** Inputs of RFC 5280 §6.1.1 and what the policies must come to, as quoted lists of names. */
  readonly sets: readonly (readonly [string, string])[];
}

/** NIST's vectors have RSA keys of 2048 bits and ask for all of RFC 5280. */
const EVERYTHING = { strength: STRENGTH['device-idevid'], indirectCrls: 'accept', staleCrl: 'refuse' } as const;

/** Refused though valid, on purpose. */
const NOT_SUPPORTED = new Map([
  ['4.1.4', 'DSA'],
  ['4.1.5', 'DSA, parameters inherited'],
  ['4.14.30', 'the key that signs the CRL is vouched for by that CRL alone'],
  ['4.15.5', 'a delta CRL takes a certificate off the list; ours can only put one on'],
]);

/** What else is refused where indirect CRLs are not asked for. */
const INDIRECT = ['4.14.22', '4.14.24', '4.14.25', '4.14.28', '4.14.29', '4.14.33'];

interface Outcome {
  readonly test: PkitsCase;
  /** The fault's code, or nothing when the path is valid. */
  readonly code?: string;
  readonly policies: readonly string[];
}

function judge(test: PkitsCase, options: Partial<PathRequest>): Outcome {
  const load = (kind: 'certs' | 'crls', name: string) =>
    new Uint8Array(readFileSync(new URL(`${kind}/${name}.${kind === 'certs' ? 'crt' : 'crl'}`, folder)));
  const [anchor, ...others] = test.certs.map((name) => load('certs', name));
  const isSet = (name: string) => test.sets.some(([key, value]) => key === name && value === 'true');
  const initial = policySet(test, 'InitialPolicySet');
  try {
    const { policies } = verifyPath({
      leaf: others.at(-1)!,
      intermediates: others.slice(0, -1).reverse(),
      anchors: [anchor!],
      at: new Date('2012-06-01T00:00:00Z'),
      crls: test.crls.map((name) => load('crls', name)),
      policies: {
        ...(initial ? { initial } : {}),
        requireExplicit: isSet('InitialExplicitPolicy'),
        inhibitMapping: isSet('InitialPolicyMappingInhibit'),
        inhibitAny: isSet('InitialInhibitAnyPolicy'),
      },
      ...options,
    });
    return { test, policies };
  } catch (error) {
    if (error instanceof X509Fault) return { test, code: error.code, policies: [] };
    throw error;
  }
}

function policySet({ sets }: PkitsCase, name: string): string[] | undefined {
  const list = sets.find(([key]) => key === name)?.[1].replaceAll('"', '');
  const toOid = (policy: string) =>
    policy === 'anyPolicy' ? OID.anyPolicy : policy.replace('NIST-test-policy-', '2.16.840.1.101.3.2.1.48.');
  return list === '' ? [] : list?.split(',').map(toOid);
}

const name = ({ test }: Outcome) => `${test.section} ${test.title}`;
const isFalseAccept = ({ test, code }: Outcome) => !test.should_validate && code === undefined;
const isFalseRefusal = ({ test, code }: Outcome) => test.should_validate && code !== undefined;

describe('NIST PKITS', () => {
  const outcomes = cases.map((test) => judge(test, EVERYTHING));

  it('has 247 cases', () => {
    expect(cases).toHaveLength(247);
  });

  it('accepts no path that is not valid', () => {
    expect(outcomes.filter(isFalseAccept).map(name)).toEqual([]);
  });

  it('refuses only those valid paths that need what is not supported', () => {
    expect(outcomes.filter(isFalseRefusal).map(({ test }) => test.section)).toEqual([...NOT_SUPPORTED.keys()]);
  });

  it('comes to the policies that NIST and BoringSSL come to', () => {
    for (const { test, code, policies } of outcomes) {
      const expected = policySet(test, 'UserConstrainedPolicySet');
      if (code === undefined && expected) expect([...policies].sort(), test.title).toEqual(expected.sort());
    }
  });

  it('as verifyPath is when nothing is asked for, refuses indirect CRLs besides', () => {
    const { strength, staleCrl } = EVERYTHING;
    const byDefault = cases.map((test) => judge(test, { strength, staleCrl }));
    expect(byDefault.filter(isFalseAccept).map(name)).toEqual([]);
    const refused = byDefault.filter(isFalseRefusal).map(({ test }) => test.section);
    expect(refused.sort()).toEqual([...NOT_SUPPORTED.keys(), ...INDIRECT].sort());
  });

  it('is told in docs/conformance/pkits.md, which `-u` writes', async () => {
    const path = fileURLToPath(new URL('docs/conformance/pkits.md', repository));
    const page = await format(pageOf(outcomes), { ...(await resolveConfig(path)), parser: 'markdown' });
    await expect(page).toMatchFileSnapshot(path);
  });
});

/** The page for readers: counts by chapter, the misses with their reasons, every case. */
function pageOf(outcomes: readonly Outcome[]): string {
  const count = (of: readonly Outcome[], is: (outcome: Outcome) => boolean) => of.filter(is).length;
  const chapters = [...new Set(outcomes.map(({ test }) => chapterOf(test)))].map((chapter) => {
    const of = outcomes.filter(({ test }) => chapterOf(test) === chapter);
    const refusals = count(of, isFalseRefusal);
    const accepts = count(of, isFalseAccept);
    return `| ${chapter} | ${of.length} | ${of.length - refusals - accepts} | ${accepts} | ${refusals} |`;
  });
  const refusals = count(outcomes, isFalseRefusal);
  const accepts = count(outcomes, isFalseAccept);
  const sum = `| all | ${outcomes.length} | ${outcomes.length - refusals - accepts} | ${accepts} | ${refusals} |`;
  const misses = [...NOT_SUPPORTED].map(([section, why]) => `| ${section} | ${why} |`);
  const rows = outcomes.map(
    ({ test, code }) =>
      `| ${test.section} | ${test.title} | ${test.should_validate ? 'valid' : 'invalid'} | ${code ? `\`${code}\`` : 'valid'} |`,
  );
  return `# NIST PKITS

\`verifyPath\` of [libs/x509](../../libs/x509/README.md) on the Public Key Interoperability Test Suite 1.0.1, judged on 1 June 2012 with current
CRLs for every certificate, RSA of 2048 bits allowed and indirect CRLs accepted. As it is when nothing is asked for it refuses indirect
CRLs: ${INDIRECT.length} more valid cases (${INDIRECT.join(', ')}) end with \`x509/crl-indirect\`, and none is accepted that is not valid.

Written by \`npx vitest run --config test/vitest.config.ts --project unit pkits -u\`; \`npm test\` compares.

| chapter | cases | as expected | false accepts | false refusals |
|---|---|---|---|---|
${[...chapters, sum].join('\n')}

## Refused though valid

| case | needs |
|---|---|
${misses.join('\n')}

## Every case

| case | title | NIST | verifyPath |
|---|---|---|---|
${rows.join('\n')}
`;
}

function chapterOf({ section }: PkitsCase): string {
  const number = section.split('.')[1] ?? '';
  return `4.${number} ${CHAPTERS[Number(number) - 1]}`;
}

const CHAPTERS = [
  'Signature Verification',
  'Validity Periods',
  'Verifying Name Chaining',
  'Basic Certificate Revocation Tests',
  'Verifying Paths with Self-Issued Certificates',
  'Verifying Basic Constraints',
  'Key Usage',
  'Certificate Policies',
  'Require Explicit Policy',
  'Policy Mappings',
  'Inhibit Policy Mapping',
  'Inhibit Any Policy',
  'Name Constraints',
  'Distribution Points',
  'Delta-CRLs',
  'Private Certificate Extensions',
];
