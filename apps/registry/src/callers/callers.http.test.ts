import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { discoverSignIn, startDeviceLogin } from '@margo-trust/client';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';

describe('the embedded sign-in', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startTestRegistry();
  });
  afterAll(() => registry.close());

  it('lets a device sign in as any demonstration account', async () => {
    const me = async (account: string) =>
      (
        await request(registry.url)
          .get('/api/v1/me')
          .set('Authorization', await registry.bearer(account))
      ).body as unknown;
    const issuer = `${registry.url}/oidc`;
    const memberships = [{ organisation: 'margo', role: 'governance' }];
    expect(await me('carol')).toEqual({ issuer, subject: 'carol', memberships });
    expect(await me('vera')).toEqual({ issuer, subject: 'vera', memberships: [] });
  });

  it('is found by the command line (RFC 9728)', async () => {
    const signIn = await discoverSignIn(registry.url);
    expect(signIn).toMatchObject({ resource: registry.url, issuer: `${registry.url}/oidc` });
    expect((await startDeviceLogin(signIn)).userCode).toMatch(/^[A-Z]{4}-[A-Z]{4}$/);
  });

  it('knows no other accounts', async () => {
    await expect(registry.bearer('mallory')).rejects.toThrow(/400/);
  });

  it('offers the console code and PKCE, and refuses other redirect addresses', async () => {
    const query = {
      client_id: 'margo-trust-console',
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    };
    const own = await request(registry.url)
      .get('/oidc/auth')
      .query({ ...query, redirect_uri: `${registry.url}/` });
    expect(own.status).toBe(303);
    expect(own.headers['location']).toMatch(/^\/oidc\/sign-in\//);
    const foreign = await request(registry.url)
      .get('/oidc/auth')
      .query({ ...query, redirect_uri: 'https://evil.example/' });
    expect(foreign.status).toBe(400);
    const { code_challenge: _, code_challenge_method: __, ...plain } = query;
    const unproven = await request(registry.url)
      .get('/oidc/auth')
      .query({ ...plain, redirect_uri: `${registry.url}/` });
    expect(unproven.headers['location']).toContain('error=invalid_request');
  });

  it('keeps its sign-in page to the browser that began', async () => {
    const response = await request(registry.url).get('/oidc/sign-in/nobody');
    expect([response.status, response.text.includes('role="alert"')]).toEqual([400, true]);
  });

  it.each(['Bearer', 'Bearer x y', 'Basic YTpi', 'Bearer a.b.c', `Bearer ${'x'.repeat(10_000)}`])(
    'refuses the header %.20s, also where nobody needs one',
    async (header) => {
      for (const path of ['/api/v1/me', '/api/v1/vendors']) {
        const response = await request(registry.url).get(path).set('Authorization', header);
        expect([response.status, response.body.code]).toEqual([401, 'caller/invalid-token']);
        expect(response.headers['www-authenticate']).toBe('Bearer');
      }
    },
  );
});

describe('access tokens of an issuer elsewhere', () => {
  let registry: TestRegistry;
  let issuer: Server;
  let issuerUrl: string;
  let keys: Awaited<ReturnType<typeof generateKeyPair>>;

  beforeAll(async () => {
    keys = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
    issuer = createServer((incoming, response) => {
      const isKeys = incoming.url === '/keys';
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(isKeys ? { keys: [jwk] } : { issuer: issuerUrl, jwks_uri: `${issuerUrl}/keys` }));
    });
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
    issuerUrl = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
    registry = await startTestRegistry({ env: { OIDC_ISSUER: issuerUrl, GOVERNANCE_MEMBERS: 'gov-1' } });
  });
  afterAll(async () => {
    await registry.close();
    issuer.close();
  });

  async function token(change: Record<string, unknown> = {}, key = keys.privateKey): Promise<string> {
    const now = Math.floor(Date.now() / 1_000);
    const claims = { iss: issuerUrl, aud: registry.url, sub: 'gov-1', iat: now, exp: now + 60, ...change };
    return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(key);
  }
  const ask = async (bearer: string) => {
    const { status, body } = await request(registry.url).get('/api/v1/me').set('Authorization', `Bearer ${bearer}`);
    return [status, body.code ?? body.subject];
  };

  it('accepts one for us', async () => {
    expect(await ask(await token())).toEqual([200, 'gov-1']);
    expect(await ask(await token({ aud: ['other', registry.url] }))).toEqual([200, 'gov-1']);
  });

  it('refuses every other one', async () => {
    const stranger = await generateKeyPair('ES256');
    const secret = new TextEncoder().encode('x'.repeat(32));
    const symmetric = new SignJWT({ iss: issuerUrl, aud: registry.url, sub: 'gov-1', exp: 4e9 }).setProtectedHeader({
      alg: 'HS256',
    });
    const unsigned = [
      '{"alg":"none"}',
      JSON.stringify({ iss: issuerUrl, aud: registry.url, sub: 'gov-1', exp: 4e9 }),
      '',
    ]
      .map((part) => Buffer.from(part).toString('base64url'))
      .join('.');
    const tokens = {
      'of another audience': await token({ aud: 'margo-trust-console' }),
      'without audience': await token({ aud: undefined }),
      'of another issuer': await token({ iss: 'https://evil.example' }),
      'without subject': await token({ sub: undefined }),
      'without expiry': await token({ exp: undefined }),
      expired: await token({ exp: Math.floor(Date.now() / 1_000) - 120 }),
      'from the future': await token({ nbf: Math.floor(Date.now() / 1_000) + 120 }),
      'signed by a stranger': await token({}, stranger.privateKey),
      symmetric: await symmetric.sign(secret),
      unsigned,
    };
    for (const [name, bearer] of Object.entries(tokens)) {
      expect(await ask(bearer), name).toEqual([401, 'caller/invalid-token']);
    }
  });

  it('is named to whoever wants to sign in (RFC 9728)', async () => {
    const { body } = await request(registry.url).get('/.well-known/oauth-protected-resource');
    expect(body).toMatchObject({ resource: registry.url, authorization_servers: [issuerUrl] });
  });

  it('has no embedded sign-in beside it', async () => {
    expect((await request(registry.url).get('/oidc/.well-known/openid-configuration')).status).toBe(404);
  });
});

describe('an issuer that is down', () => {
  it('is a 503 that may be tried again, not a refusal', async () => {
    const registry = await startTestRegistry({ env: { OIDC_ISSUER: 'http://127.0.0.1:9', GOVERNANCE_MEMBERS: 'a' } });
    const response = await request(registry.url).get('/api/v1/me').set('Authorization', 'Bearer a.b.c');
    expect([response.status, response.body.code, response.body.retryable]).toEqual([
      503,
      'caller/issuer-unreachable',
      true,
    ]);
    expect(response.headers['retry-after']).toBe('5');
    await registry.close();
  });
});

describe('SeatGovernance', () => {
  it('takes the seat of who is no longer configured, and says so', async () => {
    const registry = await startTestRegistry();
    const { SeatGovernance } = await import('./seat-governance.ts');
    const seats = registry.app.get(SeatGovernance);
    Object.assign(seats, { config: { ...registry.config, governanceMembers: ['bob', 'dave'] } });
    await seats.run();
    await seats.run();
    const members = await registry.source.query<{ subject: string }[]>(
      `SELECT subject FROM member WHERE role = 'governance' ORDER BY 1`,
    );
    expect(members.map(({ subject }) => subject)).toEqual(['bob', 'dave']);
    const trail = await registry.source.query<{ action: string; subject: string }[]>(
      `SELECT action, split_part(subject, '#', 2) AS subject FROM audit_event WHERE actor = 'configuration' ORDER BY id`,
    );
    expect(trail.map(({ action, subject }) => `${action} ${subject}`)).toEqual([
      'governance-member-seated alice',
      'governance-member-seated bob',
      'governance-member-seated carol',
      'governance-member-removed alice',
      'governance-member-removed carol',
      'governance-member-seated dave',
    ]);
    await expect(registry.source.query('DELETE FROM audit_event')).rejects.toThrow(/append-only/);
    await registry.close();
  });
});
