import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes, sign, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';

/** Debian's docker-registry 2.8: a real registry without the referrers API. `DOCKER_REGISTRY` may name the program. */
export const registryProgram = [
  process.env['DOCKER_REGISTRY'] ?? '',
  ...(process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, 'docker-registry')),
].find((path) => path !== '' && existsSync(path));

export interface RunningRegistry {
  readonly host: string;
  stop(): Promise<void>;
}

/** `auth` is the section of that name in the registry's configuration. */
export async function startRegistry(
  directory: string,
  auth?: object,
  options: { readonly canDelete?: boolean } = {},
): Promise<RunningRegistry> {
  const port = await freePort();
  const id = randomBytes(4).toString('hex');
  const config = join(directory, `registry-${id}.json`); // JSON is YAML
  writeFileSync(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: true } },
      storage: {
        filesystem: { rootdirectory: join(directory, `data-${id}`) },
        delete: { enabled: options.canDelete ?? true },
      },
      http: { addr: `127.0.0.1:${port}`, secret: 'test' },
      ...(auth && { auth }),
    }),
  );
  const child = spawn(registryProgram ?? '', ['serve', config], { stdio: 'ignore' });
  await untilAnswers(`http://127.0.0.1:${port}/v2/`, child);
  return {
    host: `127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill();
      }),
  };
}

export interface TokenService {
  readonly auth: object;
  /** `service scope` of each token asked for, with how the caller logged in. */
  readonly asked: { readonly scope: string; readonly login: string }[];
  /** Seconds until new tokens expire. */
  lifetimeSeconds: number;
  stop(): Promise<void>;
}

/** The token service that a registry with `auth: token` sends its clients to. */
export async function startTokenService(directory: string): Promise<TokenService> {
  const [keyFile, certificateFile] = [join(directory, 'token.key'), join(directory, 'token.crt')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=token',
      '-keyout',
      keyFile,
      '-out',
      certificateFile,
    ],
    { stdio: 'ignore' },
  );
  const key = readFileSync(keyFile);
  const x5c = [new X509Certificate(readFileSync(certificateFile)).raw.toString('base64')];
  const asked: { scope: string; login: string }[] = [];

  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const form = new URLSearchParams(Buffer.concat(parts).toString());
      const query = new URL(request.url ?? '', 'http://localhost').searchParams;
      const scope = form.get('scope') ?? query.get('scope') ?? '';
      asked.push({ scope, login: form.get('refresh_token') ?? request.headers.authorization ?? '' });
      const [type, name, actions] = scope.split(':');
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        iss: 'tests',
        aud: 'registry',
        iat: now - 10,
        nbf: now - 10,
        exp: now + service.lifetimeSeconds,
        jti: randomBytes(8).toString('hex'),
        sub: '',
        access: [{ type, name, actions: actions?.split(',') }],
      };
      const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const signed = `${encode({ typ: 'JWT', alg: 'ES256', x5c })}.${encode(claims)}`;
      const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify(
          form.has('refresh_token') ? { access_token: `${signed}.${signature}` } : { token: `${signed}.${signature}` },
        ),
      );
    });
  });
  const port = await listen(server);
  const service: TokenService = {
    auth: {
      token: {
        realm: `http://127.0.0.1:${port}/token`,
        service: 'registry',
        issuer: 'tests',
        rootcertbundle: certificateFile,
      },
    },
    asked,
    lifetimeSeconds: 300,
    stop: () => close(server),
  };
  return service;
}

export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

export async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

export const sha256 = (bytes: Uint8Array | string) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await close(server);
  return port;
}

async function untilAnswers(url: string, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (child.exitCode !== null) throw new Error('docker-registry did not start.');
    if (
      await fetch(url).then(
        (response) => response.status < 500,
        () => false,
      )
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('docker-registry does not answer.');
}
