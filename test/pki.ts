import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { openssl } from '@margo-trust/testkit';
import { encodePem } from '@margo-trust/x509';
import request, { type Response } from 'supertest';
import type { MemberRole } from '@margo-trust/wire';
import { MemberStore } from '../apps/registry/src/callers/member.store.ts';
import { CreateAuthorities } from '../apps/registry/src/certificates/create-authorities.ts';
import { Db } from '../apps/registry/src/db/db.ts';
import { LogReader } from '../apps/registry/src/log/log.reader.ts';
import { OpenLog } from '../apps/registry/src/log/open-log.ts';
import { IssueCrl } from '../apps/registry/src/revocation/issue-crl.ts';
import type { TestRegistry } from './registry.ts';

/** Does what genesis does for certificates, where it has not been done. */
export async function ensurePki({ app }: TestRegistry): Promise<void> {
  const isOpen = (await app.get(LogReader).findHead()) !== undefined;
  await app.get(Db).transaction(async (tx) => {
    await app.get(CreateAuthorities).run(tx);
    if (!isOpen) await app.get(OpenLog).run(tx, {});
    await app.get(IssueCrl).runIn(tx);
  });
}

let vendors = 0;

/** An active vendor whose owner is victor; returns its id. */
export async function admitVendor(registry: TestRegistry, legalName?: string): Promise<string> {
  vendors += 1;
  const applied = await call(registry, 'post', '/api/v1/vendors', 'victor', {
    legalName: legalName ?? `Vendor ${vendors} GmbH`,
    country: 'DE',
    state: 'Hessen',
    personas: ['workload-supplier'],
    securityContact: 'psirt@example.com',
    claims: { applicationIdPrefixes: [`pki${vendors}-`], ociNamespaces: [`registry.example/pki${vendors}`] },
  });
  const id = (applied.body as { id: string }).id;
  for (const member of ['alice', 'bob']) {
    const approved = await call(registry, 'post', `/api/v1/vendors/${id}/approvals`, member, { note: 'Checked.' });
    if (approved.status !== 201) throw new Error(approved.text);
  }
  return id;
}

/** Makes `account` a member of the vendor. */
export async function addMember(
  { app, config }: TestRegistry,
  organisation: string,
  subject: string,
  role: MemberRole,
): Promise<void> {
  const member = { issuer: config.oidcIssuer, subject, organisation, role, since: new Date() };
  await app.get(Db).transaction((tx) => app.get(MemberStore).add(tx, member));
}

export async function call(
  registry: TestRegistry,
  method: 'get' | 'post' | 'delete',
  path: string,
  account?: string,
  body?: object,
): Promise<Response> {
  const sent = request(registry.url)[method](path);
  if (account !== undefined) sent.set('Authorization', await registry.bearer(account));
  return body === undefined ? sent : sent.send(body);
}

export interface TestCsr {
  readonly pem: string;
  readonly key: KeyObject;
}

/** A certification request made by OpenSSL. */
export function makeCsr(
  kind: 'P-256' | 'P-384' | 'P-521' | 'Ed25519' | number = 'P-256',
  extra: string[] = [],
): TestCsr {
  const { privateKey: key } =
    kind === 'Ed25519'
      ? generateKeyPairSync('ed25519')
      : typeof kind === 'number'
        ? generateKeyPairSync('rsa', { modulusLength: kind })
        : generateKeyPairSync('ec', { namedCurve: kind });
  return { pem: csrOf(key, extra), key };
}

export function csrOf(key: KeyObject, extra: string[] = []): string {
  const made = openssl(['req', '-new', '-key', 'key.pem', '-subj', '/CN=ignored', ...extra], {
    'key.pem': key.export({ type: 'pkcs8', format: 'pem' }) as string,
  });
  if (!made.isOk) throw new Error(made.output);
  return made.stdout.toString();
}

/** Issues a certificate to a vendor through the API, as victor. */
export async function issueTo(registry: TestRegistry, vendorId: string, csr = makeCsr().pem) {
  const issued = await call(registry, 'post', `/api/v1/vendors/${vendorId}/certificates`, 'victor', { csr });
  if (issued.status !== 201) throw new Error(issued.text);
  return issued.body as { serial: string; fingerprint: string; certificate: string; chain: string; entryId: string };
}

/** What `openssl verify` says about a leaf with the registry's published CRLs. */
export async function verifyWithOpenSsl(registry: TestRegistry, leafPem: string, time = new Date()) {
  const fetched = async (path: string) => {
    const response = await fetch(`${registry.url}${path}`);
    if (!response.ok) throw new Error(`${path} answers ${response.status}.`);
    return new Uint8Array(await response.arrayBuffer());
  };
  return openssl(
    [
      ...['verify', '-x509_strict', '-crl_check_all', '-attime', String(Math.ceil(time.getTime() / 1_000))],
      ...['-CAfile', 'root.pem', '-untrusted', 'issuing.pem', '-CRLfile', 'arl.pem', '-CRLfile', 'crl.pem', 'leaf.pem'],
    ],
    {
      'root.pem': encodePem('CERTIFICATE', await fetched('/ca/root.crt')),
      'issuing.pem': encodePem('CERTIFICATE', await fetched('/ca/issuing-1.crt')),
      'arl.pem': encodePem('X509 CRL', await fetched('/crl/root/0.crl')),
      'crl.pem': encodePem('X509 CRL', await fetched('/crl/issuing-1/0.crl')),
      'leaf.pem': leafPem,
    },
  );
}
