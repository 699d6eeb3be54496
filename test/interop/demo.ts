/** What the story leaves in `DATA_DIR/demo`, and what a member of the demo vendor can do about it. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseCertificate } from '@margo-trust/x509';
import { developmentLogin } from '@margo-trust/client';
import { waitUntil, type Service } from './harness.ts';

export interface Demo {
  /** OCI layout with packages, components, images, releases and their signatures. */
  readonly layout: string;
  readonly bundle: string;
  /** The initial TUF root. */
  readonly root: string;
  /** For XDG_CONFIG_HOME: holds `notation/` with trust stores and a strict policy. */
  readonly configHome: string;
  /** PEM, leaf first. */
  readonly chain: string;
}

export function demoOf({ dataDir }: Service): Demo {
  const configHome = join(dataDir, 'demo');
  const inDemo = (name: string) => join(configHome, name);
  return {
    layout: inDemo('app.oci'),
    bundle: inDemo('evidence.bundle'),
    root: inDemo('root.json'),
    configHome,
    chain: inDemo('vendor/chain.pem'),
  };
}

/** The certificates of the vendor's chain, leaf first. */
export async function loadChain(demo: Demo): Promise<X509Certificate[]> {
  const pem = await readFile(demo.chain, 'utf8');
  return (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (one) => new X509Certificate(one),
  );
}

/** A vendor's member revokes the certificate that signed everything in the demo; returns once the next CRL is out. With a date, signatures from before it stand. */
export async function revokeDemoCertificate(service: Service, invalidityDate?: Date): Promise<void> {
  const [leaf] = await loadChain(demoOf(service));
  if (leaf === undefined) throw new Error('The demo has no certificate.');
  const crl = crlUrlOf(leaf);
  const before = await fetchBytes(crl);

  const { accessToken } = await developmentLogin({ baseUrl: service.address, account: 'victor' });
  const url = `${service.address}/api/v1/certificates/${leaf.serialNumber.toLowerCase()}/revocation`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      reason: 'keyCompromise',
      ...(invalidityDate && { invalidityDate: `${invalidityDate.toISOString().slice(0, 19)}Z` }),
    }),
  });
  if (!response.ok) throw new Error(`POST ${url} answered ${response.status}: ${await response.text()}`);
  await waitUntil('a new CRL is published', async () => !before.equals(await fetchBytes(crl)), 15);
}

/** Where the CRL is that a certificate names. */
export function crlUrlOf({ raw }: X509Certificate): string {
  const [url] = parseCertificate(Uint8Array.from(raw)).crlUrls;
  if (url === undefined) throw new Error('The certificate names no CRL.');
  return url;
}

export async function fetchBytes(url: string): Promise<Buffer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`GET ${url} answered ${response.status}.`);
  return Buffer.from(await response.arrayBuffer());
}
