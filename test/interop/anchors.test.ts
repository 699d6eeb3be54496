/**
 * Stock `notation verify` with the trust stores and the policy that the trust root carries for a vendor's own CA: it accepts what that
 * vendor signs, in the repositories that the anchor claims, and nothing that the same CA issues to anybody else.
 */
import { existsSync } from 'node:fs';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { updateTrustRoot } from '@margo-trust/client';
import type { TufSnapshot } from '@margo-trust/tuf';
import type { Vendor } from '@margo-trust/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectAccepted, expectRefused } from './expect.ts';
import { client, must, repository, run, startService, temporaryDirectory, waitUntil, type Service } from './harness.ts';
import { loadSigned, readTagged } from './layout.ts';

const STATEMENT = ['--signature-format', 'cose'];

let service: Service;
let home: string;
let vendor: Vendor;
let anchor: string;

const at = (name: string) => join(home, name);
const openssl = (...args: string[]) => must('openssl', args, { cwd: home });
const margoTrust = (...args: string[]) =>
  must(join(repository, 'apps/cli/bin/margo-trust.mjs'), args, {
    cwd: home,
    env: { HOME: home, MARGO_TRUST_REGISTRY: service.address },
  });
const parsed = async <T>(...args: string[]) => JSON.parse((await margoTrust(...args, '--json')).stdout) as T;

beforeAll(async () => {
  home = await temporaryDirectory();
  service = await startService();
  ({ vendor } = await parsed<{ vendor: Vendor }>('vendor', 'status', '--as', 'victor'));
  await writeFile(at('own.cnf'), CONFIG);
  const { C, ST, O } = vendor.subject;
  await openssl(
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-nodes', '-days', '3650', '-sha384'],
    ...['-keyout', 'ca.key', '-out', 'ca.pem', '-config', 'own.cnf', '-extensions', 'ca', '-utf8'],
    ...['-subj', `/C=${C}/ST=${ST}/O=${O}/CN=Releases CA`],
  );
  await certify('own', vendor.subject);
  await certify('other', { C, ST, O: 'Globex Corporation' });
  const proposed = await parsed<{ anchor: { id: string } }>('anchor', 'propose', 'ca.pem', '--as', 'victor');
  anchor = proposed.anchor.id;
  for (const member of ['alice', 'bob']) await margoTrust('anchor', 'approve', anchor, '--as', member);
  await waitUntil('the trust root has its store', async () => {
    const { targetNames } = await trustRoot();
    return targetNames.includes(`notation.ca.anchor-${anchor}.1.crt`);
  });
  await configure();
});
afterAll(async () => {
  await service?.stop();
  await rm(home, { recursive: true, force: true });
});

describe('notation verify, under a CA of the vendor’s own', () => {
  it('accepts what the vendor signed and logged', async () => {
    await margoTrust('example', 'app.oci');
    await margoTrust(
      ...['sign', 'app.oci:1.0.0', '--key', 'own.key', '--chain', 'own-chain.pem', '--vendor', vendor.id],
    );
    const [digest] = await loadSigned(at('app.oci'), 'package');
    expectAccepted(await verify(`${at('app.oci')}@${digest}`));
    expect((await margoTrust('verify', 'app.oci:1.0.0')).output).toMatch(/^trusted: app/);
  });

  it('refuses it in a repository that the anchor does not claim', async () => {
    const [digest] = await loadSigned(at('app.oci'), 'package');
    const refused = await verify(`${at('app.oci')}@${digest}`, 'registry.example/somebody/else');
    expectRefused(refused, 'does not contain any trusted certificate');
  });

  it('refuses what the same CA issued to another name', async () => {
    await margoTrust('example', 'theirs.oci');
    const digest = await readTagged(at('theirs.oci'), '1.0.0');
    for (const [key, judge] of [
      ['own', expectAccepted],
      ['other', (finished: Parameters<typeof expectAccepted>[0]) => expectRefused(finished, 'trusted identities')],
    ] as const) {
      const layout = at(`${key}.oci`);
      await cp(at('theirs.oci'), layout, { recursive: true });
      await must(client('notation'), ['sign', '--oci-layout', `${layout}@${digest}`, '--key', key, ...STATEMENT], {
        env: environment(),
      });
      judge(await verify(`${layout}@${digest}`));
    }
  });

  it('refuses all of it from the next ceremony on, once it is withdrawn, where our verifier goes by the date', async () => {
    await margoTrust('anchor', 'withdraw', anchor, '--reason', 'Test.', '--as', 'victor');
    await waitUntil('the trust root has no store of it', async () => {
      const { targetNames } = await trustRoot();
      return !targetNames.includes(`notation.ca.anchor-${anchor}.1.crt`);
    });
    await configure();
    const [digest] = await loadSigned(at('app.oci'), 'package');
    expectRefused(await verify(`${at('app.oci')}@${digest}`), 'does not contain any trusted certificate');
    expect((await margoTrust('verify', 'app.oci:1.0.0')).output).toMatch(/^trusted: app/);
  });
});

const CONFIG = `[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
extendedKeyUsage = codeSigning
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = codeSigning
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`;

/** A key `<name>.key` and its chain `<name>-chain.pem`. */
async function certify(name: string, { C, ST, O }: Vendor['subject']): Promise<void> {
  await openssl(
    ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', `${name}.key`],
    ...['-out', `${name}.csr`, '-config', 'own.cnf', '-utf8', '-subj', `/C=${C}/ST=${ST}/O=${O}/CN=Releases`],
  );
  await openssl(
    ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '365'],
    ...['-sha384', '-extfile', 'own.cnf', '-extensions', 'leaf', '-out', `${name}.pem`],
  );
  const chain = await Promise.all(
    [`${name}.pem`, 'ca.pem'].map(async (file) => (await openssl('x509', '-in', file)).stdout),
  );
  await writeFile(at(`${name}-chain.pem`), chain.join(''));
}

async function trustRoot(): Promise<TufSnapshot> {
  const known = existsSync(at('device'));
  const initial = known ? undefined : await (await fetch(`${service.address}/tuf/1.root.json`)).arrayBuffer();
  const { snapshot } = await updateTrustRoot({
    ...{ source: `${service.address}/tuf`, directory: at('device'), now: new Date() },
    ...(initial && { initialRoot: new Uint8Array(initial) }),
  });
  return snapshot;
}

/** notation's own files, as our tool writes them out of the trust root, and the keys of its own that it signs with. */
async function configure(): Promise<void> {
  const directory = at('config/notation');
  await rm(join(directory, 'truststore'), { recursive: true, force: true });
  await margoTrust('root', 'init', '--root', join(service.dataDir, 'demo/root.json'));
  await margoTrust('root', 'export', '--notation', directory);
  const keys = ['own', 'other'].map((name) => ({
    ...{ name, keyPath: at(`${name}.key`), certPath: at(`${name}-chain.pem`) },
  }));
  await writeFile(join(directory, 'signingkeys.json'), JSON.stringify({ keys }));
}

function environment() {
  return { XDG_CONFIG_HOME: at('config'), XDG_CACHE_HOME: at('cache'), NOTATION_EXPERIMENTAL: '1', HOME: home };
}

function verify(reference: string, scope = vendor.claims.ociNamespaces[0] ?? '') {
  return run(client('notation'), ['verify', '-v', '--oci-layout', reference, '--scope', scope], { env: environment() });
}
