import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import Provider, { interactionPolicy, type KoaContext } from 'oidc-provider';
import type { Config, Secrets } from '../config.ts';
import { generateKey, writeKey } from '../keys/development-keys.ts';
import { readKey } from '../keys/key-ring.ts';
import { codePage, confirmPage, donePage, errorPage, signInPage, STYLE } from './sign-in-pages.ts';

/** People of the demonstration. Anyone may sign in as any of them. */
export const ACCOUNTS = {
  alice: 'Alice, governance',
  bob: 'Bob, governance',
  carol: 'Carol, governance',
  victor: 'Victor, vendor',
  vera: 'Vera, another vendor',
} as const;

/**
 * A real OpenID provider inside the service, so that a newcomer can sign in and tests go the whole way.
 *
 * It asks for no password: whoever reaches it can be anyone. Development only; readConfig refuses it in production.
 * Grants live in memory: after a restart people sign in again, but access tokens go on, because the key is a file.
 */
export function createEmbeddedOidc(
  config: Config,
  secrets: Secrets,
): (request: IncomingMessage, response: ServerResponse) => void {
  const provider = new Provider(config.oidcIssuer, {
    jwks: { keys: [signingKey(config, secrets)] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    clients: clients(config.publicUrl),
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    scopes: ['openid', 'profile', 'offline_access'],
    claims: { openid: ['sub'], profile: ['name'] },
    findAccount: (_context: KoaContext, id: string) => account(id),
    loadExistingGrant: grantEverything,
    interactions: {
      policy: alwaysAsk(),
      url: (_context: KoaContext, { uid }: { uid: string }) => `/oidc/sign-in/${uid}`,
    },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      deviceFlow: {
        enabled: true,
        userCodeInputSource: (context: KoaContext, form: string, _out: unknown, error?: Error) =>
          show(context, codePage(form, error !== undefined)),
        userCodeConfirmSource: (context: KoaContext, form: string, _client: unknown, _device: unknown, code: string) =>
          show(context, confirmPage(form, code)),
        successSource: (context: KoaContext) => show(context, donePage()),
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => config.publicUrl,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'registry',
          audience: config.publicUrl,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 3_600,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    renderError: (context: KoaContext, { error }: { error: string }) => show(context, errorPage(error)),
    ttl: {
      AccessToken: 3_600,
      AuthorizationCode: 60,
      DeviceCode: 600,
      Grant: 86_400,
      IdToken: 3_600,
      Interaction: 600,
      RefreshToken: 86_400,
      Session: 3_600,
    },
  });
  const answer = provider.callback();
  return (request, response) => {
    const path = request.url?.split('?', 1)[0] ?? '';
    if (path === '/style.css') return send(response, 'text/css', STYLE);
    if (path.startsWith('/sign-in/')) return void signIn(provider, request, response);
    answer(request, response);
  };
}

/** Shows who one may be, and takes the choice. The page is a plain form: no script, one button for each person. */
async function signIn(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await provider.interactionDetails(request, response);
    if (request.method !== 'POST') return send(response, 'text/html', signInPage(ACCOUNTS));
    const accountId = new URLSearchParams(await readForm(request)).get('account') ?? '';
    if (!Object.hasOwn(ACCOUNTS, accountId)) return send(response, 'text/html', signInPage(ACCOUNTS), 400);
    await provider.interactionFinished(request, response, { login: { accountId } });
  } catch {
    send(response, 'text/html', errorPage('This sign-in has expired or belongs to another browser.'), 400);
  }
}

async function readForm(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of request as AsyncIterable<Buffer>) {
    text += part.toString('utf8');
    if (text.length > 1_000) throw new Error('The form is too long.');
  }
  return text;
}

/** The chooser appears at every sign-in: a developer is alice now and victor a minute later. */
function alwaysAsk(): unknown {
  const policy = interactionPolicy.base();
  policy
    .get('login')
    ?.checks.add(
      new interactionPolicy.Check(
        'always_ask',
        'Every sign-in asks who it is',
        ({ oidc }) => oidc.result?.login === undefined,
      ),
    );
  return policy;
}

/** Consent is automatic: both clients are ours. */
async function grantEverything(context: KoaContext & { oidc: { provider: Provider } }): Promise<unknown> {
  const { provider, client, session } = context.oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope('openid profile offline_access');
  grant.addResourceScope(new URL(provider.issuer).origin, 'registry');
  await grant.save();
  return grant;
}

function account(id: string): unknown {
  if (!Object.hasOwn(ACCOUNTS, id)) return undefined;
  const name = ACCOUNTS[id as keyof typeof ACCOUNTS];
  return { accountId: id, claims: () => ({ sub: id, name }) };
}

function clients(publicUrl: string): object[] {
  return [
    {
      client_id: 'margo-trust-cli',
      client_name: 'margo-trust',
      // Not `native`: of those the provider asks a consent at every sign-in, against programs that share redirect URIs.
      token_endpoint_auth_method: 'none',
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      response_types: [],
      redirect_uris: [],
    },
    {
      client_id: 'margo-trust-console',
      client_name: 'Margo Trust Registry',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code'],
      response_types: ['code'],
      redirect_uris: [`${publicUrl}/`, `${publicUrl}/signed-in`],
    },
  ];
}

function signingKey(config: Config, secrets: Secrets): object {
  const path = join(config.keysDirectory, 'oidc-development.pem');
  if (!existsSync(path)) writeKey(path, generateKey('P-256'), secrets.keysPassphrase);
  const jwk = readKey(path, secrets.keysPassphrase).export({ format: 'jwk' });
  const kid = createHash('sha256').update(`${jwk.x}.${jwk.y}`).digest('base64url').slice(0, 16);
  return { ...jwk, kid, use: 'sig', alg: 'ES256' };
}

function show(context: KoaContext, page: string): void {
  context.type = 'html';
  context.body = page;
}

function send(response: ServerResponse, mediaType: string, body: string, status = 200): void {
  response.writeHead(status, { 'Content-Type': `${mediaType}; charset=utf-8`, 'Cache-Control': 'no-store' });
  response.end(body);
}
