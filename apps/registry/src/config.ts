import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Fault } from '@margo-trust/fault';
import { isQuorum, parsePolicy, type Policy } from '@margo-trust/tlog';
import { parseCertificate, parsePem } from '@margo-trust/x509';
import { isNetwork } from './http/networks.ts';
import type { Rate } from './http/token-buckets.ts';
import { DEVELOPMENT_MARK } from './keys/development-keys.ts';

/** What the service was told. Made once by {@link readConfig}, frozen; injected by this class. */
export abstract class Config {
  /** `MODE`, default development. Production refuses everything embedded. */
  declare readonly mode: 'development' | 'production';
  /** `ROLE`, default all. `worker` publishes dated work and serves health only; `api` leaves that work to a worker. */
  declare readonly role: 'all' | 'api' | 'worker';
  /** `HOST`: address to listen on, default 127.0.0.1, in production 0.0.0.0. */
  declare readonly host: string;
  /** `PORT`, default 8080. 0 picks a free one. */
  declare readonly port: number;
  /** `PUBLIC_URL`: what callers type, without trailing slash. Default http://localhost:PORT; required in production. */
  declare readonly publicUrl: string;
  /** `REGISTRY_DOMAIN`: the name that vendors' URIs and the log's origin live under. Fixed at genesis. */
  declare readonly domain: string;
  /** `DATA_DIR`, default .data: embedded database, development keys, log file, the demonstration. */
  declare readonly dataDirectory: string;
  /** `KEYS_DIR`, default DATA_DIR/keys. */
  declare readonly keysDirectory: string;
  /** `OIDC_ISSUER`. Default, in development only: the embedded provider at PUBLIC_URL/oidc. */
  declare readonly oidcIssuer: string;
  /** Where the issuer is asked: itself, or the loopback address of the embedded one, which PUBLIC_URL may not reach. */
  declare readonly oidcDiscoveryUrl: string;
  /** Whether the issuer is the embedded provider. */
  declare readonly hasEmbeddedOidc: boolean;
  /** `WORKLOAD_ISSUERS`: whose tokens builds may exchange for certificates, once a vendor has bound them. Separated by commas. */
  declare readonly workloadIssuers: readonly string[];
  /** `ATTESTATION_ROOTS`: certificates (DER) of the makers who may vouch that a key lies in hardware. None: nothing counts as hardware. */
  declare readonly attestationRoots: readonly Uint8Array[];
  /** `GOVERNANCE_MEMBERS`: subjects at the issuer, separated by commas. Who is left out loses the seat at the next start. */
  declare readonly governanceMembers: readonly string[];
  /** `SECURITY_CONTACT`: a URI for security.txt, default mailto:security@REGISTRY_DOMAIN. */
  declare readonly securityContact: string;
  /** `TILE_STORE`, default off: where the log's public files are put besides being served. */
  declare readonly tileStore: TileStoreConfig;
  /** `WITNESS_POLICY`, `WITNESS_MODE` and `WITNESS_DEMAND`: who cosigns the log's checkpoints. Absent: nobody. */
  declare readonly witnessing: Witnessing | undefined;
  /** `TRUST_ROOT_MIRROR_URL`: a copy of /tuf outside this registry, asked how much of the log it has seen. Default: none. */
  declare readonly trustRootMirrorUrl: string | undefined;
  /** `WEBHOOK_LOOPBACK=allow`, default refuse: whether notifications may go to this machine, and without TLS. */
  declare readonly allowsWebhooksToLoopback: boolean;
  /** `REGISTRATION_RATE`: what one address may post, `<per second>/<burst>`; absent means no limit. */
  declare readonly registrationRate: Rate | undefined;
  /** `SEARCH_RATE`: likewise for searches and evidence. */
  declare readonly searchRate: Rate | undefined;
  /** `TRUSTED_PROXIES`: addresses and networks whose `X-Forwarded-For` is believed. Default none. */
  declare readonly trustedProxies: readonly string[];
  /** `LOG_LEVEL` of the logger, default info. */
  declare readonly logLevel: LogLevel;
}

/** What must not be printed. Kept apart so that printing the Config is safe. */
export abstract class Secrets {
  /** `DATABASE_URL`. Absent: the embedded PostgreSQL, in development only. */
  declare readonly databaseUrl: string | undefined;
  /** `KEYS_PASSPHRASE` of the key files, if they are encrypted. */
  declare readonly keysPassphrase: string | undefined;
  /** `PKCS11_PIN` of tokens that hold keys, where their URI names no file with it. */
  declare readonly tokenPin: string | undefined;
  /** `S3_ACCESS_KEY` and `S3_SECRET_KEY`, with `TILE_STORE=s3`. */
  declare readonly s3: { readonly accessKey: string; readonly secretKey: string } | undefined;
}

/** A directory (`TILE_DIRECTORY`), or a bucket (`S3_ENDPOINT`, `S3_BUCKET`, `S3_REGION`, `S3_PREFIX`). */
export type TileStoreConfig =
  | { readonly kind: 'off' }
  | { readonly kind: 'directory'; readonly directory: string }
  | {
      readonly kind: 's3';
      /** Without trailing slash. */
      readonly endpoint: string;
      readonly bucket: string;
      readonly region: string;
      /** Empty, or ending in a slash. */
      readonly prefix: string;
    };
export interface Witnessing {
  /** Every witness in it has a URL. */
  readonly policy: Policy;
  /** `closed`: only checkpoints with a quorum are shown. `open`: the newest, with the cosignatures there are. */
  readonly mode: 'closed' | 'open';
  /** What a trust root that is made from now on asks of devices: refuse what no quorum has seen, or say so. */
  readonly demand: 'required' | 'reported';
}

export type LogLevel = (typeof LOG_LEVELS)[number];
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const;

/** A setting that cannot be used. The message names the variable and the way out. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/**
 * Reads the environment. `port` is the one really bound, when `PORT` was 0.
 * Throws ConfigError for values it does not understand and for combinations that are unsafe.
 */
export function readConfig(env: NodeJS.ProcessEnv, port = readPort(env)): { config: Config; secrets: Secrets } {
  const mode = oneOf(env, 'MODE', ['development', 'production'], 'development');
  const dataDirectory = resolve(text(env, 'DATA_DIR') ?? '.data');
  const publicUrl = readPublicUrl(env, mode, port);
  const host = readHost(env);
  const issuer = readUrl(env, 'OIDC_ISSUER');
  const domain = readDomain(env);
  const config: Config = {
    mode,
    role: oneOf(env, 'ROLE', ['all', 'api', 'worker'], 'all'),
    host,
    port,
    publicUrl,
    domain,
    dataDirectory,
    keysDirectory: resolve(text(env, 'KEYS_DIR') ?? join(dataDirectory, 'keys')),
    oidcIssuer: issuer ?? `${publicUrl}/oidc`,
    oidcDiscoveryUrl: issuer ?? `http://${loopback(host)}:${port}/oidc`,
    hasEmbeddedOidc: issuer === undefined,
    workloadIssuers: Object.freeze(readWorkloadIssuers(env, mode, issuer === undefined ? [`${publicUrl}/oidc`] : [])),
    attestationRoots: Object.freeze(readAttestationRoots(env)),
    governanceMembers: Object.freeze(readMembers(env, issuer === undefined)),
    securityContact: text(env, 'SECURITY_CONTACT') ?? `mailto:security@${domain}`,
    tileStore: Object.freeze(readTileStore(env)),
    witnessing: readWitnessing(env, domain),
    trustRootMirrorUrl: readUrl(env, 'TRUST_ROOT_MIRROR_URL'),
    allowsWebhooksToLoopback: oneOf(env, 'WEBHOOK_LOOPBACK', ['refuse', 'allow'], 'refuse') === 'allow',
    registrationRate: readRate(env, 'REGISTRATION_RATE', mode === 'production' ? '200/2000' : 'off'),
    searchRate: readRate(env, 'SEARCH_RATE', mode === 'production' ? '100/1000' : 'off'),
    trustedProxies: Object.freeze(readProxies(env)),
    logLevel: oneOf(env, 'LOG_LEVEL', LOG_LEVELS, 'info'),
  };
  const secrets: Secrets = {
    databaseUrl: readDatabaseUrl(env),
    keysPassphrase: text(env, 'KEYS_PASSPHRASE'),
    tokenPin: text(env, 'PKCS11_PIN'),
    s3: config.tileStore.kind === 's3' ? readS3Credentials(env) : undefined,
  };
  if (mode === 'production') refuseUnsafe(config, secrets);
  return { config: Object.freeze(config), secrets: Object.freeze(secrets) };
}

/** The port to listen on, needed before the rest of the configuration can be known. */
export function readPort(env: NodeJS.ProcessEnv): number {
  const value = text(env, 'PORT') ?? '8080';
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535)
    throw new ConfigError(`PORT must be 0 to 65535, not ${value}.`);
  return Number(value);
}

/** The address to listen on, likewise. */
export function readHost(env: NodeJS.ProcessEnv): string {
  return text(env, 'HOST') ?? (text(env, 'MODE') === 'production' ? '0.0.0.0' : '127.0.0.1');
}

/** An address at which this machine reaches itself when the service listens on `host`. */
function loopback(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/** Development conveniences that would hollow out a real registry. */
function refuseUnsafe(config: Config, secrets: Secrets): void {
  const inKeys = (name: string) => existsSync(join(config.keysDirectory, name));
  const refusals: [boolean, string][] = [
    [secrets.databaseUrl === undefined, 'Set DATABASE_URL: the embedded database is for development.'],
    [config.allowsWebhooksToLoopback, 'Unset WEBHOOK_LOOPBACK: strangers choose where notifications go.'],
    [config.hasEmbeddedOidc, 'Set OIDC_ISSUER: the embedded sign-in lets anyone be anyone.'],
    [config.governanceMembers.length < 2, 'Set GOVERNANCE_MEMBERS to at least two subjects: nobody decides alone.'],
    [inKeys(DEVELOPMENT_MARK), `The keys in ${config.keysDirectory} were made for development. Set KEYS_DIR.`],
    [inKeys('offline'), `${config.keysDirectory} holds offline keys. Take the folder "offline" off this machine.`],
    [
      existsSync(join(config.dataDirectory, 'demo')),
      `${config.dataDirectory} holds the demonstration. Set DATA_DIR to another directory.`,
    ],
  ];
  const found = refusals.filter(([isUnsafe]) => isUnsafe).map(([, message]) => message);
  if (found.length > 0) throw new ConfigError(`Refusing to start in production.\n${found.join('\n')}`);
}

function readPublicUrl(env: NodeJS.ProcessEnv, mode: Config['mode'], port: number): string {
  const url = readUrl(env, 'PUBLIC_URL');
  if (url === undefined && mode === 'production') throw new ConfigError('Set PUBLIC_URL to the address callers use.');
  if (url !== undefined && new URL(url).pathname !== '/') throw new ConfigError('PUBLIC_URL must not have a path.');
  return url ?? `http://localhost:${port}`;
}

function readUrl(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = text(env, name)?.replace(/\/+$/, '');
  if (value === undefined) return undefined;
  if (!URL.canParse(value) || !/^https?:$/.test(new URL(value).protocol) || /[?#]/.test(value)) {
    throw new ConfigError(`${name} must be an http or https URL without query, not ${value}.`);
  }
  return value;
}

/** Only its beginning is looked at: node-postgres takes forms that are no URLs, and the rest may hold a password. */
function readDatabaseUrl(env: NodeJS.ProcessEnv): string | undefined {
  const value = text(env, 'DATABASE_URL');
  if (value === undefined || /^postgres(?:ql)?:\/\//.test(value)) return value;
  throw new ConfigError('DATABASE_URL must begin with postgres:// or postgresql://.');
}

function readTileStore(env: NodeJS.ProcessEnv): TileStoreConfig {
  const kind = oneOf(env, 'TILE_STORE', ['off', 'directory', 's3'], 'off');
  if (kind === 'off') return { kind };
  if (kind === 'directory') return { kind, directory: resolve(required(env, 'TILE_DIRECTORY')) };
  const endpoint = readUrl(env, 'S3_ENDPOINT');
  if (endpoint === undefined) throw new ConfigError('Set S3_ENDPOINT to the address of the store.');
  const bucket = required(env, 'S3_BUCKET');
  if (!/^[a-z0-9][a-z0-9.-]{1,62}$/.test(bucket)) throw new ConfigError(`S3_BUCKET must be a bucket, not ${bucket}.`);
  const prefix = text(env, 'S3_PREFIX')?.replace(/\/*$/, '/') ?? '';
  if (!/^([\w.-]+\/)*$/.test(prefix)) throw new ConfigError(`S3_PREFIX must be a path of plain names, not ${prefix}.`);
  return { kind, endpoint, bucket, region: text(env, 'S3_REGION') ?? 'us-east-1', prefix };
}

function readS3Credentials(env: NodeJS.ProcessEnv): Secrets['s3'] {
  return Object.freeze({ accessKey: required(env, 'S3_ACCESS_KEY'), secretKey: required(env, 'S3_SECRET_KEY') });
}

function required(env: NodeJS.ProcessEnv, name: string): string {
  const value = text(env, name);
  if (value === undefined) throw new ConfigError(`Set ${name}: TILE_STORE=${text(env, 'TILE_STORE')} needs it.`);
  return value;
}

function readWitnessing(env: NodeJS.ProcessEnv, domain: string): Witnessing | undefined {
  const path = text(env, 'WITNESS_POLICY');
  const mode = oneOf(env, 'WITNESS_MODE', ['closed', 'open'], 'closed');
  const demand = oneOf(env, 'WITNESS_DEMAND', ['required', 'reported'], 'reported');
  if (path === undefined) return undefined;
  const policy = readPolicy(resolve(path));
  const { logs, witnesses } = policy;
  if (logs.length > 0 && !logs.some(({ key }) => key.name === `log.${domain}`)) {
    throw new ConfigError(`WITNESS_POLICY lists logs, but not this one: log.${domain}.`);
  }
  const asked = witnesses.filter(({ url }) => url !== undefined);
  for (const { name, url = '' } of asked) {
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (!parsed || !/^https?:$/.test(parsed.protocol) || /[?#@]/.test(url)) {
      throw new ConfigError(`WITNESS_POLICY: the URL of ${name} must be http or https, without query or user.`);
    }
  }
  if (
    !isQuorum(
      policy,
      asked.map(({ name }) => name),
    )
  ) {
    throw new ConfigError('WITNESS_POLICY: the witnesses with a URL are not enough for its quorum.');
  }
  return Object.freeze({ policy: { ...policy, witnesses: asked }, mode, demand });
}

function readPolicy(path: string): Policy {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new ConfigError(`WITNESS_POLICY: ${path} cannot be read.`, { cause });
  }
  try {
    return parsePolicy(bytes);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new ConfigError(`WITNESS_POLICY: ${path} is no policy. ${cause.message}`, { cause });
  }
}

function readDomain(env: NodeJS.ProcessEnv): string {
  const value = text(env, 'REGISTRY_DOMAIN') ?? 'registry.localhost';
  const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
  if (value.length > 200 || !new RegExp(`^${label}(\\.${label})+$`).test(value)) {
    throw new ConfigError(`REGISTRY_DOMAIN must be a lower-case host name with a dot, not ${value}.`);
  }
  return value;
}

/** `<per second>/<burst>`, whole numbers from 1 to a million, or `off`. */
function readRate(env: NodeJS.ProcessEnv, name: string, initial: string): Rate | undefined {
  const value = text(env, name) ?? initial;
  if (value === 'off') return undefined;
  const [, perSecond, burst] = (/^([1-9]\d{0,5})\/([1-9]\d{0,6})$/.exec(value) ?? []).map(Number);
  if (perSecond === undefined || burst === undefined) {
    throw new ConfigError(`${name} must be like 200/2000 (a second / at once) or off, not ${value}.`);
  }
  return { perSecond, burst };
}

function readProxies(env: NodeJS.ProcessEnv): string[] {
  const proxies = (text(env, 'TRUSTED_PROXIES') ?? '').split(',').map((proxy) => proxy.trim());
  const wrong = proxies.find((proxy) => proxy !== '' && !isNetwork(proxy));
  if (wrong !== undefined) {
    throw new ConfigError(`TRUSTED_PROXIES must be addresses or networks like 10.0.0.0/8, not ${wrong}.`);
  }
  return proxies.filter((proxy) => proxy !== '');
}

/** GitHub and GitLab unless told otherwise; in development the embedded sign-in may play a build. */
function readWorkloadIssuers(env: NodeJS.ProcessEnv, mode: Config['mode'], embedded: readonly string[]): string[] {
  const named = text(env, 'WORKLOAD_ISSUERS') ?? 'https://token.actions.githubusercontent.com,https://gitlab.com';
  if (named === 'off') return [];
  const issuers = named.split(',').map((issuer) => issuer.trim());
  for (const issuer of issuers) {
    const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
    const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && mode === 'development');
    if (!isSafe || /[?#@]|\/$/.test(issuer)) {
      throw new ConfigError(`WORKLOAD_ISSUERS must be https URLs as in the tokens' iss, or off, not ${issuer}.`);
    }
  }
  return [...new Set([...issuers, ...embedded])];
}

function readAttestationRoots(env: NodeJS.ProcessEnv): Uint8Array[] {
  const path = text(env, 'ATTESTATION_ROOTS');
  if (path === undefined) return [];
  try {
    const roots = parsePem('CERTIFICATE', readFileSync(resolve(path), 'utf8'));
    const other = roots.map((der) => parseCertificate(der)).find(({ isCa }) => !isCa);
    if (other) throw new ConfigError(`ATTESTATION_ROOTS: ${other.subjectText} is no CA.`);
    return roots;
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError(`ATTESTATION_ROOTS: ${path} cannot be read as certificates in PEM.`, { cause });
  }
}

function readMembers(env: NodeJS.ProcessEnv, isEmbedded: boolean): string[] {
  const value = text(env, 'GOVERNANCE_MEMBERS') ?? (isEmbedded ? 'alice,bob,carol' : '');
  return [...new Set(value.split(',').map((subject) => subject.trim()))].filter((subject) => subject !== '');
}

function oneOf<const T extends string>(env: NodeJS.ProcessEnv, name: string, values: readonly T[], initial: T): T {
  const value = text(env, name) ?? initial;
  const known = values.find((candidate) => candidate === value);
  if (known === undefined) throw new ConfigError(`${name} must be one of ${values.join(', ')}, not ${value}.`);
  return known;
}

/** An empty variable counts as absent, as shells and compose files leave them. */
function text(env: NodeJS.ProcessEnv, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}
