import { parseTrustRootDocument, type TrustRoot, type TrustRootDocument } from '@margo-trust/verifier';
import { expect } from 'vitest';
import { PublishTrustRoot } from '../apps/registry/src/trust-root/publish-trust-root.ts';
import { RenewTargets } from '../apps/registry/src/trust-root/renew-targets.ts';
import { call } from './pki.ts';
import type { TestRegistry } from './registry.ts';

/** The trust root document that the registry grants now; renews and publishes what is due before. */
export async function grantedTrust({ app, source }: TestRegistry): Promise<TrustRootDocument> {
  const [renew, publishRoot] = [app.get(RenewTargets), app.get(PublishTrustRoot)];
  if (await renew.isDue()) await renew.run();
  expect(await renew.isDue()).toBe(false);
  if (await publishRoot.isDue()) await publishRoot.run();
  const [row] = await source.query<{ body: Buffer }[]>(
    "SELECT body FROM published_file WHERE path LIKE '%.margo.trust-root.v1.json' ORDER BY published_at DESC LIMIT 1",
  );
  return parseTrustRootDocument(new Uint8Array(row!.body));
}

/** What a device holds that has fetched the trust root now, as far as this vendor and the logs go: nothing is revoked in it. */
export async function deviceTrust(
  registry: TestRegistry,
  vendor: { readonly id: string; readonly uri: string },
): Promise<TrustRoot> {
  const granted = await grantedTrust(registry);
  const admission = (await call(registry, 'get', `/api/v1/log/entries?subject=vendor:${vendor.id}`)).body as {
    items: { entryId: string }[];
  };
  const shown = (await call(registry, 'get', `/api/v1/vendors/${vendor.id}`)).body as { claims: TrustedClaims };
  const path = `/entries/${admission.items.at(-1)!.entryId}/transparent-statement`;
  const record = new Uint8Array(await (await fetch(`${registry.url}${path}`)).arrayBuffer());
  return {
    ...granted,
    revocations: NOTHING_REVOKED,
    findRevocation: () => undefined,
    stale: [],
    deviceCas: () => [],
    findVendor: () => ({
      ...{ id: vendor.id, uri: vendor.uri, legalName: 'V', status: 'active' },
      ...{ claims: shown.claims, record, openpgpKeys: [], anchors: [] },
    }),
  };
}

interface TrustedClaims {
  readonly applicationIdPrefixes: string[];
  readonly ociNamespaces: string[];
}

const NOTHING_REVOKED: TrustRoot['revocations'] = {
  ...{ sequence: 0, asOf: new Date(), logSize: 0 },
  ...{ certificates: new Map(), keys: new Map(), issuers: new Map(), vendors: new Map(), digests: new Map() },
};
