import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from './config.ts';

describe('readConfig', () => {
  const directory = mkdtempSync(join(tmpdir(), 'margo-config-'));
  let dataDirectory: string;
  beforeEach(() => {
    dataDirectory = mkdtempSync(join(directory, 'data-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const production = (change: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    MODE: 'production',
    DATA_DIR: dataDirectory,
    PUBLIC_URL: 'https://registry.example',
    DATABASE_URL: 'postgres://db/registry',
    OIDC_ISSUER: 'https://id.example/realm/',
    GOVERNANCE_MEMBERS: 'a, b,a',
    ...change,
  });

  it('needs nothing in development', () => {
    const { config, secrets } = readConfig({});
    expect(config).toMatchObject({
      mode: 'development',
      role: 'all',
      host: '127.0.0.1',
      port: 8080,
      publicUrl: 'http://localhost:8080',
      domain: 'registry.localhost',
      oidcIssuer: 'http://localhost:8080/oidc',
      oidcDiscoveryUrl: 'http://127.0.0.1:8080/oidc',
      hasEmbeddedOidc: true,
      governanceMembers: ['alice', 'bob', 'carol'],
    });
    expect(config.keysDirectory).toBe(join(config.dataDirectory, 'keys'));
    expect(config.tileStore).toEqual({ kind: 'off' });
    expect(secrets).toEqual({ databaseUrl: undefined, keysPassphrase: undefined, tokenPin: undefined, s3: undefined });
    expect(config.witnessing).toBeUndefined();
  });

  it('limits addresses in production, and as it is told', () => {
    const off = { registrationRate: undefined, searchRate: undefined, trustedProxies: [] };
    expect(readConfig({}).config).toMatchObject(off);
    expect(readConfig(production()).config).toMatchObject({
      registrationRate: { perSecond: 200, burst: 2_000 },
      searchRate: { perSecond: 100, burst: 1_000 },
    });
    const told = { REGISTRATION_RATE: '10000/20000', SEARCH_RATE: 'off', TRUSTED_PROXIES: '10.0.0.0/8, ::1' };
    expect(readConfig(production(told)).config).toMatchObject({
      registrationRate: { perSecond: 10_000, burst: 20_000 },
      searchRate: undefined,
      trustedProxies: ['10.0.0.0/8', '::1'],
    });
    for (const wrong of [{ REGISTRATION_RATE: '5' }, { SEARCH_RATE: '0/1' }, { TRUSTED_PROXIES: 'proxy.example' }]) {
      expect(() => readConfig(wrong)).toThrow(ConfigError);
    }
  });

  it('takes tokens of builds from GitHub and GitLab, or from whom it is told', () => {
    const forges = ['https://token.actions.githubusercontent.com', 'https://gitlab.com'];
    expect(readConfig({}).config.workloadIssuers).toEqual([...forges, 'http://localhost:8080/oidc']);
    expect(readConfig(production()).config.workloadIssuers).toEqual(forges);
    const told = { WORKLOAD_ISSUERS: 'https://git.acme.example, https://ci.acme.example/x' };
    expect(readConfig(production(told)).config.workloadIssuers).toEqual([
      'https://git.acme.example',
      'https://ci.acme.example/x',
    ]);
    expect(readConfig(production({ WORKLOAD_ISSUERS: 'off' })).config.workloadIssuers).toEqual([]);
    for (const wrong of [
      'http://ci.example',
      'ci.example',
      'https://ci.example/',
      'https://a@ci.example',
      'file:///x',
    ]) {
      expect(() => readConfig(production({ WORKLOAD_ISSUERS: wrong })), wrong).toThrow(/WORKLOAD_ISSUERS/);
    }
  });

  it('reads whose attestations count, and nobody’s unless told', () => {
    expect(readConfig({}).config.attestationRoots).toEqual([]);
    const vector = (name: string) => join(import.meta.dirname, `../../../test/vectors/yubikey/attestation-${name}.pem`);
    expect(readConfig({ ATTESTATION_ROOTS: vector('root') }).config.attestationRoots).toHaveLength(1);
    for (const wrong of [vector('9a'), dataDirectory, join(dataDirectory, 'missing'), import.meta.filename]) {
      expect(() => readConfig({ ATTESTATION_ROOTS: wrong })).toThrow(/ATTESTATION_ROOTS/);
    }
  });

  it('names the port that was really bound', () => {
    expect(readConfig({ PORT: '0' }, 4711).config.publicUrl).toBe('http://localhost:4711');
  });

  describe('WITNESS_POLICY', () => {
    const vkey = 'w.example+00df7ba9+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
    const read = (policy: string, change: NodeJS.ProcessEnv = {}) => {
      const path = join(dataDirectory, 'policy');
      writeFileSync(path, policy);
      return readConfig({ WITNESS_POLICY: path, ...change }).config.witnessing;
    };

    it('is read at start, and fails closed unless told otherwise', () => {
      const policy = `witness a ${vkey} https://w.example/sub\nquorum a\n`;
      expect(read(policy)).toMatchObject({ mode: 'closed', policy: { quorum: 'a' } });
      expect(read(policy, { WITNESS_MODE: 'open' })?.mode).toBe('open');
      expect(read(policy)?.demand).toBe('reported');
      expect(read(policy, { WITNESS_DEMAND: 'required' })?.demand).toBe('required');
      expect(() => read(policy, { WITNESS_MODE: 'ajar' })).toThrow('WITNESS_MODE must be one of closed, open');
    });

    it.each([
      ['is no policy', 'quorum a\n', 'Line 1: a is not defined above.'],
      ['has too few URLs for its quorum', `witness a ${vkey}\nquorum a\n`, 'are not enough for its quorum'],
      ['has a URL that is none', `witness a ${vkey} w.example\nquorum a\n`, 'the URL of a must be http or https'],
      ['has a URL with a password', `witness a ${vkey} http://u:p@w\nquorum a\n`, 'the URL of a must be'],
      [
        'is for another log',
        'log other.example+d45d76de+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nquorum none\n',
        'lists logs, but not this one: log.registry.localhost',
      ],
    ])('is refused when it %s', (_, policy, message) => {
      expect(() => read(policy)).toThrow(message);
      expect(() => read(policy)).toThrow(ConfigError);
    });

    it('is refused when it is not there', () => {
      expect(() => readConfig({ WITNESS_POLICY: join(dataDirectory, 'none') })).toThrow(/none cannot be read/);
    });
  });

  it('accepts a complete production set-up', () => {
    const { config, secrets } = readConfig(production({ KEYS_PASSPHRASE: 'secret' }));
    expect(config).toMatchObject({
      host: '0.0.0.0',
      publicUrl: 'https://registry.example',
      oidcIssuer: 'https://id.example/realm',
      oidcDiscoveryUrl: 'https://id.example/realm',
      hasEmbeddedOidc: false,
      governanceMembers: ['a', 'b'],
    });
    expect(JSON.stringify(config)).not.toMatch(/secret|postgres/);
    expect(secrets.keysPassphrase).toBe('secret');
  });

  const bucket = {
    TILE_STORE: 's3',
    S3_ENDPOINT: 'https://s3.example/',
    S3_BUCKET: 'margo-log',
    S3_ACCESS_KEY: 'access',
    S3_SECRET_KEY: 'hidden',
  };

  it('keeps what opens a bucket apart from what names it', () => {
    const { config, secrets } = readConfig({ ...bucket, S3_PREFIX: 'a/b' });
    const place = {
      kind: 's3',
      endpoint: 'https://s3.example',
      bucket: 'margo-log',
      region: 'us-east-1',
      prefix: 'a/b/',
    };
    expect(config.tileStore).toEqual(place);
    expect(secrets.s3).toEqual({ accessKey: 'access', secretKey: 'hidden' });
    expect(JSON.stringify(config)).not.toMatch(/hidden/);
    expect(readConfig({ TILE_STORE: 'directory', TILE_DIRECTORY: '/srv/log' }).config.tileStore).toEqual({
      kind: 'directory',
      directory: '/srv/log',
    });
  });

  it.each(['S3_ENDPOINT', 'S3_BUCKET', 'S3_ACCESS_KEY', 'S3_SECRET_KEY'])('needs %s for a bucket', (name) => {
    expect(() => readConfig({ ...bucket, [name]: '' })).toThrow(`Set ${name}`);
  });

  it.each([
    ['S3_BUCKET', '../x'],
    ['S3_PREFIX', '/a'],
    ['S3_PREFIX', 'a?b'],
    ['S3_ENDPOINT', 's3.example'],
  ])('refuses %s=%s for a bucket', (name, value) => {
    expect(() => readConfig({ ...bucket, [name]: value })).toThrow(name);
  });

  it('needs a directory for tiles in a directory', () => {
    expect(() => readConfig({ TILE_STORE: 'directory' })).toThrow('Set TILE_DIRECTORY: TILE_STORE=directory needs it.');
  });

  it.each([
    ['DATABASE_URL', /Set DATABASE_URL/],
    ['OIDC_ISSUER', /Set OIDC_ISSUER/],
    ['GOVERNANCE_MEMBERS', /nobody decides alone/],
    ['PUBLIC_URL', /Set PUBLIC_URL/],
  ])('refuses production without %s', (name, message) => {
    expect(() => readConfig(production({ [name]: '' }))).toThrow(message);
  });

  it('refuses production with notifications to the machine itself', () => {
    expect(() => readConfig(production({ WEBHOOK_LOOPBACK: 'allow' }))).toThrow(/Unset WEBHOOK_LOOPBACK/);
  });

  it('refuses production with a single governance member', () => {
    expect(() => readConfig(production({ GOVERNANCE_MEMBERS: 'a,a' }))).toThrow(/nobody decides alone/);
  });

  it('refuses production with development keys, offline keys or the demonstration', () => {
    mkdirSync(join(dataDirectory, 'keys/offline'), { recursive: true });
    mkdirSync(join(dataDirectory, 'demo'));
    writeFileSync(join(dataDirectory, 'keys/DEVELOPMENT'), '');
    expect(() => readConfig(production())).toThrow(/made for development.*offline keys.*demonstration/s);
  });

  it.each([
    ['PORT', '70000'],
    ['PORT', '-1'],
    ['PORT', '80a'],
    ['MODE', 'staging'],
    ['ROLE', 'boss'],
    ['LOG_LEVEL', 'loud'],
    ['PUBLIC_URL', 'registry.example'],
    ['PUBLIC_URL', 'https://registry.example/path'],
    ['PUBLIC_URL', 'https://registry.example/?q'],
    ['PUBLIC_URL', 'ftp://registry.example'],
    ['OIDC_ISSUER', 'javascript:alert(1)'],
    ['DATABASE_URL', 'mysql://localhost/x'],
    ['REGISTRY_DOMAIN', 'localhost'],
    ['REGISTRY_DOMAIN', 'Registry.Example'],
    ['REGISTRY_DOMAIN', 'a..b'],
    ['REGISTRY_DOMAIN', `${'a'.repeat(64)}.example`],
  ])('refuses %s=%s and names the variable', (name, value) => {
    expect(() => readConfig({ [name]: value })).toThrow(ConfigError);
    expect(() => readConfig({ [name]: value })).toThrow(name);
  });

  it('cannot be changed afterwards', () => {
    const { config, secrets } = readConfig({});
    expect(Object.isFrozen(config) && Object.isFrozen(secrets) && Object.isFrozen(config.governanceMembers)).toBe(true);
  });
});
