import { execFileSync, spawn } from 'node:child_process';
import { createHash, generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { calculateJwkThumbprint, SignJWT } from 'jose';
import { freePort } from './service.mjs';

const MODULE = 'github.com/smallstep/certificates/cmd/step-ca@v0.30.2';
const folder = join(import.meta.dirname, '../../.cache/bench');
const program = join(folder, 'step-ca');

/** Builds Smallstep's CA, unless it is there; returns why it cannot be had, or nothing. For comparison only. */
export function prepareStepCa() {
  if (existsSync(program)) return undefined;
  try {
    mkdirSync(folder, { recursive: true });
    execFileSync('go', ['install', MODULE], {
      env: { ...process.env, GOBIN: folder, GOWORK: 'off', CGO_ENABLED: '0' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return undefined;
  } catch (error) {
    return error.code === 'ENOENT' ? 'no step-ca to compare with: go is not installed' : 'step-ca does not build';
  }
}

/**
 * Runs `work` against step-ca with its usual database: an issuing CA with P-384 whose key is in a file, and requests that a token
 * of its own allows each. `work` gets where they go, the root for TLS, the process, and what makes the token of one request.
 */
export async function withStepCa(work) {
  const directory = mkdtempSync(join(tmpdir(), 'margo-step-ca-'));
  const port = await freePort();
  const url = `https://localhost:${port}`;
  makeCas(directory);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = publicKey.export({ format: 'jwk' });
  const kid = await calculateJwkThumbprint(jwk);
  const root = readFileSync(join(directory, 'root.pem'));
  const config = {
    root: join(directory, 'root.pem'),
    crt: join(directory, 'issuing.pem'),
    key: join(directory, 'issuing.key'),
    address: `127.0.0.1:${port}`,
    dnsNames: ['localhost'],
    logger: { format: 'text' },
    db: { type: 'badgerv2', dataSource: join(directory, 'db') },
    authority: { provisioners: [{ type: 'JWK', name: 'bench', key: { ...jwk, use: 'sig', alg: 'ES256', kid } }] },
  };
  writeFileSync(join(directory, 'ca.json'), JSON.stringify(config));
  const child = spawn(program, [join(directory, 'ca.json')], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const sha = createHash('sha256').update(new X509Certificate(root).raw).digest('hex');
  const makeToken = (subject) =>
    new SignJWT({ sha, sans: [subject], jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid, typ: 'JWT' })
      .setIssuer('bench')
      .setAudience(`${url}/1.0/sign`)
      .setSubject(subject)
      .setNotBefore('0s')
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(privateKey);
  try {
    await untilListening(port, child);
    return await work({ url: `${url}/1.0/sign`, root: root.toString(), pid: child.pid, makeToken });
  } finally {
    child.kill('SIGTERM');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  }
}

function makeCas(directory) {
  const openssl = (...args) => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-noenc'];
  openssl('req', '-x509', ...key, '-keyout', 'root.key', '-out', 'root.pem', '-subj', '/CN=root', '-days', '2');
  writeFileSync(
    join(directory, 'issuing.cnf'),
    'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n',
  );
  openssl('req', ...key, '-keyout', 'issuing.key', '-out', 'issuing.csr', '-subj', '/CN=issuing');
  openssl(
    ...['x509', '-req', '-in', 'issuing.csr', '-CA', 'root.pem', '-CAkey', 'root.key', '-CAcreateserial', '-days', '2'],
    ...['-extfile', 'issuing.cnf', '-out', 'issuing.pem'],
  );
}

async function untilListening(port, child) {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`step-ca ended with ${child.exitCode} before it listened.`);
    const isUp = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      (error) => error.cause?.code !== 'ECONNREFUSED',
    );
    if (isUp) return;
    await pause(100);
  }
  throw new Error('step-ca does not listen.');
}
