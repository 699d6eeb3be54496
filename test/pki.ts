import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { parsePublicKey } from '@margo-trust/crypto';
import { openssl } from '@margo-trust/testkit';
import {
  assembleSigned,
  encodePem,
  encodeTbsCertificate,
  parseCertificate,
  parsePem,
  rootProfile,
  shapeSerial,
} from '@margo-trust/x509';
import request, { type Response } from 'supertest';
import type { MemberRole } from '@margo-trust/wire';
import { MemberStore } from '../apps/registry/src/callers/member.store.ts';
import { type AuthorityState, CertificateReader } from '../apps/registry/src/certificates/certificate.reader.ts';
import { CertificateStore } from '../apps/registry/src/certificates/certificate.store.ts';
import { CreateAuthorities } from '../apps/registry/src/certificates/create-authorities.ts';
import { KeepAuthorities } from '../apps/registry/src/certificates/keep-authorities.ts';
import { Db } from '../apps/registry/src/db/db.ts';
import { LogReader } from '../apps/registry/src/log/log.reader.ts';
import { OpenLog } from '../apps/registry/src/log/open-log.ts';
import { IssueCrl } from '../apps/registry/src/revocation/issue-crl.ts';
import type { TestRegistry } from './registry.ts';

/** Does what genesis does for certificates, where it has not been done. */
export async function ensurePki({ app }: TestRegistry): Promise<void> {
  if ((await app.get(LogReader).findHead()) === undefined) {
    await app.get(Db).transaction(async (tx) => {
      await app.get(KeepAuthorities).run(tx, await app.get(CreateAuthorities).run());
      await app.get(OpenLog).run(tx, {});
    });
  }
  await app.get(IssueCrl).run();
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

/** The self-signed certificate of a root that the registry could take, PEM. */
export function makeRoot(): string {
  authorities += 1;
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
  const spki = Uint8Array.from(createPublicKey(key).export({ type: 'spki', format: 'der' }));
  const now = Math.floor(Date.now() / 1_000) * 1_000;
  const spec = rootProfile({
    serial: shapeSerial(randomBytes(16)),
    subject: { country: 'XX', organization: 'registry.localhost', commonName: `Root ${100 + authorities}` },
    ...{ notBefore: new Date(now - 60_000), notAfter: new Date(now + 86_400_000), publicKey: parsePublicKey(spki) },
  });
  const tbs = encodeTbsCertificate(spec);
  const signature = sign('sha384', tbs, { key, dsaEncoding: 'ieee-p1363' });
  return encodePem('CERTIFICATE', assembleSigned(tbs, spec.algorithm, signature));
}

/** One more time-stamping CA in this state, which nobody uses; returns its name. */
export async function addAuthority({ app }: TestRegistry, state: AuthorityState): Promise<string> {
  return app.get(Db).transaction(async (tx) => {
    const { der, certificate } = await app.get(CertificateReader).loadAuthority('tsa-ca', tx);
    authorities += 1;
    const [name, now] = [`tsa-ca-${100 + authorities}`, new Date()];
    const authority = { name, role: 'tsa-ca', der, certificate, createdAt: now, state, since: now } as const;
    await app.get(CertificateStore).insertAuthority(tx, authority);
    return name;
  });
}

let authorities = 0;

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
  const [leaf] = parsePem('CERTIFICATE', leafPem);
  const [crlUrl = ''] = parseCertificate(leaf ?? new Uint8Array()).crlUrls;
  return openssl(
    [
      ...['verify', '-x509_strict', '-crl_check_all', '-attime', String(Math.ceil(time.getTime() / 1_000))],
      ...['-CAfile', 'root.pem', '-untrusted', 'issuing.pem', '-CRLfile', 'arl.pem', '-CRLfile', 'crl.pem', 'leaf.pem'],
    ],
    {
      'root.pem': encodePem('CERTIFICATE', await fetched('/ca/root.crt')),
      'issuing.pem': encodePem('CERTIFICATE', await fetched('/ca/issuing-1.crt')),
      'arl.pem': encodePem('X509 CRL', await fetched('/crl/root/0.crl')),
      'crl.pem': encodePem('X509 CRL', await fetched(new URL(crlUrl).pathname)),
      'leaf.pem': leafPem,
    },
  );
}
