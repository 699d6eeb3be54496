import type { CertificateRule } from './rule.ts';

export const certificateIsVersion3: CertificateRule = {
  name: 'certificate-is-version-3',
  source: 'RFC 5280 §4.1.2.1',
  check: ({ version }) => (version === 3 ? undefined : `the version is ${version}`),
};
