import { describeWindow, type Window } from './trusted-root.ts';

export interface SigningServices extends Window {
  /** Where the registry is reached, without trailing slash. */
  readonly url: string;
  /** Who runs it: `<domain>`. */
  readonly operator: string;
}

/**
 * `signing_config.v0.2.json`: where cosign logs and has stamped what it signs, and where a build has its key certified
 * (`--signing-config`). No OpenID provider: builds bring the token of their own, and people sign with a certificate that they have.
 */
export function describeSigningConfig({ url, operator, ...window }: SigningServices): object {
  const service = (address: string, majorApiVersion: number) => ({
    url: address,
    majorApiVersion,
    validFor: describeWindow(window),
    operator,
  });
  return {
    mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
    caUrls: [service(url, 1)],
    oidcUrls: [],
    rekorTlogUrls: [service(url, 2)],
    rekorTlogConfig: { selector: 'ANY' },
    tsaUrls: [service(`${url}/tsa`, 1)],
    tsaConfig: { selector: 'ANY' },
  };
}
