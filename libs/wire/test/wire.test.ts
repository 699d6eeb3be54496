import 'reflect-metadata';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { describe, expect, it } from 'vitest';
import { VendorApplication } from '../src/index.ts';

const APPLICATION = {
  legalName: 'Example GmbH',
  country: 'DE',
  state: 'Bavaria',
  personas: ['workload-supplier'],
  securityContact: 'psirt@example.com',
  claims: { applicationIdPrefixes: ['com-example-'], ociNamespaces: ['registry.example.com:5000/example'] },
};

function faultsOf(change: object): string[] {
  const instance = plainToInstance(VendorApplication, { ...APPLICATION, ...change });
  return validateSync(instance, { whitelist: true, forbidNonWhitelisted: true }).map((error) => error.property);
}

describe('VendorApplication', () => {
  it('accepts a complete application', () => {
    expect(faultsOf({})).toEqual([]);
    expect(faultsOf({ website: 'https://example.com' })).toEqual([]);
  });

  it.each([
    ['legalName', 'x'],
    ['legalName', ' Example'],
    ['legalName', 'Exam=#ple'],
    ['legalName', 'Exam\nple'],
    ['legalName', 'x'.repeat(65)],
    ['legalName', ['Example']],
    ['country', 'de'],
    ['country', 'DEU'],
    ['state', ''],
    ['personas', []],
    ['personas', ['workload-supplier', 'workload-supplier']],
    ['personas', ['king']],
    ['securityContact', 'nobody'],
    ['securityContact', 'javascript:alert(1)'],
    ['website', 'http://example.com'],
    ['claims', undefined],
    ['claims', { applicationIdPrefixes: [] }],
    ['claims', { applicationIdPrefixes: ['Upper'], ociNamespaces: [] }],
    ['claims', { applicationIdPrefixes: [], ociNamespaces: ['no-path'] }],
    ['claims', { applicationIdPrefixes: [], ociNamespaces: ['host/../etc'] }],
    ['claims', { applicationIdPrefixes: [], ociNamespaces: 'host/a' }],
    ['unknown', 1],
  ])('refuses %s = %j', (property, value) => {
    expect(faultsOf({ [property]: value })).toEqual([property]);
  });

  it('judges a megabyte of hostile text quickly', () => {
    const long = 'a'.repeat(1_000_000);
    const begun = performance.now();
    faultsOf({
      legalName: `${long}=`,
      state: `${long}\n`,
      securityContact: long,
      claims: { applicationIdPrefixes: [`${long}_`], ociNamespaces: [`${long}/${long}_`] },
    });
    expect(performance.now() - begun).toBeLessThan(10_000);
  });
});
