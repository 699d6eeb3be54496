import { World } from '@margo-trust/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { discoverSignIn, refreshTokens, RegistryApi, startDeviceLogin } from '../src/index.ts';
import { problem, serveWorld, type RegistryServer } from './registry-server.ts';

let registry: RegistryServer;
beforeAll(async () => {
  registry = await serveWorld(new World());
});
afterAll(() => registry.close());

const json = (value: object, status = 200) => ({ status, body: JSON.stringify(value) });

describe('RegistryApi', () => {
  it('sends the token and the body, and gives back the answer', async () => {
    registry.answers.set('POST /api/v1/vendors/a%2Fb/approvals', (body, { headers }) =>
      json({ sent: JSON.parse(body.toString()) as object, authorization: headers.authorization }, 201),
    );
    const api = new RegistryApi({ url: `${registry.url}/`, token: 'secret' });
    expect(await api.approveVendor('a/b', 'Checked.')).toEqual({
      sent: { note: 'Checked.' },
      authorization: 'Bearer secret',
    });
  });

  it('passes a refusal on with code, members and time to wait', async () => {
    const errors = [{ field: 'claims', message: 'is missing' }];
    registry.answers.set('POST /api/v1/vendors', () =>
      problem(422, 'http/invalid-body', 'The body is not as asked.', { errors, retryAfterSeconds: 3 }),
    );
    await expect(new RegistryApi({ url: registry.url }).applyAsVendor({} as never)).rejects.toMatchObject({
      name: 'RegistryFault',
      code: 'http/invalid-body',
      message: 'The body is not as asked.',
      status: 422,
      errors,
      retryAfterSeconds: 3,
    });
  });

  it.each([
    ['HTML', { status: 502, type: 'text/html', body: '<h1>Bad gateway</h1>' }, 'client/bad-status'],
    [
      'a problem without a code',
      { status: 500, type: 'application/problem+json', body: '{"title":"no"}' },
      'client/bad-status',
    ],
    ['a code that is none', problem(400, '<script>', 'x'), 'client/bad-status'],
    ['a redirect', { status: 302, body: '', headers: { location: 'http://127.0.0.1:1/' } }, 'client/redirect'],
    ['no JSON', { status: 200, body: 'hello' }, 'client/bad-answer'],
    ['deep JSON', { status: 200, body: '['.repeat(9999) }, 'client/bad-answer'],
  ])('makes %s a fault', async (_what, answer, code) => {
    registry.answers.set('GET /api/v1/log', () => answer);
    await expect(new RegistryApi({ url: registry.url }).log()).rejects.toMatchObject({ code });
  });

  it('sends no token in the clear to another machine', () => {
    expect(() => new RegistryApi({ url: 'http://registry.example' })).toThrow(
      expect.objectContaining({ code: 'client/insecure' }),
    );
    expect(new RegistryApi({ url: 'http://registry.example', plainHttp: true }).url).toBe('http://registry.example');
    for (const url of ['registry.example', 'ftp://registry.example', 'https://me:secret@registry.example']) {
      expect(() => new RegistryApi({ url })).toThrow(expect.objectContaining({ code: 'client/bad-url' }));
    }
  });

  it('says which server cannot be reached', async () => {
    await expect(new RegistryApi({ url: 'http://127.0.0.1:1' }).log()).rejects.toMatchObject({
      code: 'client/unreachable',
      message: expect.stringContaining('http://127.0.0.1:1'),
    });
  });
});

describe('the device sign-in', () => {
  function offerSignIn(issuer: string, named = issuer, resource = registry.url) {
    registry.answers.set('GET /.well-known/oauth-protected-resource', () =>
      json({ resource, authorization_servers: [named] }),
    );
    registry.answers.set('GET /people/.well-known/openid-configuration', () =>
      json({ issuer, device_authorization_endpoint: `${issuer}/device`, token_endpoint: `${issuer}/token` }),
    );
  }

  it('follows the issuer that the registry names, waits, and refreshes', async () => {
    offerSignIn(`${registry.url}/people`);
    registry.answers.set('POST /people/device', (body) => {
      expect(new URLSearchParams(body.toString()).get('client_id')).toBe('margo-trust-cli');
      return json({ device_code: 'd', user_code: 'ABCD', verification_uri: `${registry.url}/code`, interval: 0.01 });
    });
    const grants: (string | null)[] = [];
    const audiences = new Set<string | null>();
    registry.answers.set('POST /people/token', (body) => {
      const form = new URLSearchParams(body.toString());
      grants.push(form.get('grant_type'));
      audiences.add(form.get('resource'));
      return grants.length === 1
        ? json({ error: 'authorization_pending' }, 400)
        : json({ access_token: 'a', refresh_token: 'r', expires_in: 60 });
    });
    const signIn = await discoverSignIn(registry.url);
    const login = await startDeviceLogin(signIn);
    expect(login.userCode).toBe('ABCD');
    expect(await login.wait()).toEqual({ accessToken: 'a', refreshToken: 'r', expiresInSeconds: 60 });
    expect(await refreshTokens(signIn, 'r')).toMatchObject({ accessToken: 'a' });
    expect(grants.at(-1)).toBe('refresh_token');
    expect([...audiences]).toEqual([registry.url]);
  });

  it('ends when the person declines', async () => {
    offerSignIn(`${registry.url}/people`);
    registry.answers.set('POST /people/token', () => json({ error: 'access_denied' }, 400));
    const login = await startDeviceLogin(await discoverSignIn(registry.url));
    await expect(login.wait()).rejects.toMatchObject({ code: 'client/sign-in-refused' });
  });

  it('refuses a discovery document of another issuer', async () => {
    offerSignIn('https://elsewhere.example/people', `${registry.url}/people`);
    await expect(discoverSignIn(registry.url)).rejects.toMatchObject({ code: 'client/bad-answer' });
  });

  it('takes no token for a registry that calls itself by another name', async () => {
    offerSignIn(`${registry.url}/people`, undefined, 'https://real.example');
    await expect(discoverSignIn(registry.url)).rejects.toMatchObject({
      code: 'client/bad-answer',
      message: expect.stringContaining('calls itself https://real.example'),
    });
  });

  it('says so when nothing there answers as a registry', async () => {
    registry.answers.delete('GET /.well-known/oauth-protected-resource');
    await expect(discoverSignIn(registry.url)).rejects.toMatchObject({ code: 'client/bad-answer' });
  });
});
