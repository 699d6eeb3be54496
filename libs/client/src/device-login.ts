import { setTimeout as sleep } from 'node:timers/promises';
import { parseJson } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { exchange, parseServerUrl, type HttpReply } from './exchange.ts';
import { ClientFault } from './fault.ts';
import type { Tokens } from './development-login.ts';

/** Where people of a registry sign in. */
export interface SignIn {
  /** What the registry calls itself: tokens are asked for this audience alone (RFC 8707). */
  readonly resource: string;
  readonly issuer: string;
  readonly deviceAuthorizationEndpoint: string;
  readonly tokenEndpoint: string;
}

/** A sign-in that waits for its person. */
export interface DeviceLogin {
  /** What to type there. */
  readonly userCode: string;
  readonly verificationUri: string;
  /** The same with the code in it, where the provider offers that. */
  readonly verificationUriComplete?: string;
  /** Until the person has agreed. `client/sign-in-refused` when they decline or take too long. */
  wait(): Promise<Tokens>;
}

export interface SignInOptions {
  readonly plainHttp?: boolean;
}

/** The name under which this program is known to providers. */
const CLIENT_ID = 'margo-trust-cli';
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

/**
 * Finds out where a registry's people sign in: its protected resource metadata (RFC 9728 §3) names the issuer, whose
 * discovery document names the rest.
 *
 * `client/bad-answer` when the registry calls itself by another address than `registryUrl`: the token would be for that one,
 * and must not be sent here (RFC 9728 §3.3).
 */
export async function discoverSignIn(registryUrl: string, options: SignInOptions = {}): Promise<SignIn> {
  const { resource, issuer: named } = await loadResource(parseServerUrl(registryUrl, options));
  const base = parseServerUrl(named, options);
  const metadata = readObject(
    await exchange({ method: 'GET', url: new URL(`${base}/.well-known/openid-configuration`) }),
  );
  const issuer = textOf(metadata, 'issuer');
  // OpenID Connect Discovery §4.3: it must be the issuer that was asked for.
  if (issuer.replace(/\/+$/, '') !== base) {
    throw new ClientFault(
      'client/bad-answer',
      'The sign-in belongs to another issuer than the one the registry names.',
    );
  }
  return {
    resource,
    issuer,
    deviceAuthorizationEndpoint: parseServerUrl(textOf(metadata, 'device_authorization_endpoint'), options),
    tokenEndpoint: parseServerUrl(textOf(metadata, 'token_endpoint'), options),
  };
}

/** Begins a device authorization grant (RFC 8628 §3.1). */
export async function startDeviceLogin(signIn: SignIn): Promise<DeviceLogin> {
  const answer = readObject(
    await post(signIn.deviceAuthorizationEndpoint, {
      client_id: CLIENT_ID,
      scope: 'openid profile offline_access',
      resource: signIn.resource,
    }),
  );
  const complete = answer['verification_uri_complete'];
  const interval = typeof answer['interval'] === 'number' && answer['interval'] > 0 ? answer['interval'] : 5;
  const deviceCode = textOf(answer, 'device_code');
  return {
    userCode: textOf(answer, 'user_code'),
    verificationUri: textOf(answer, 'verification_uri'),
    ...(typeof complete === 'string' && { verificationUriComplete: complete }),
    wait: () => waitForTokens(signIn, deviceCode, interval),
  };
}

/** Another access token for a refresh token (RFC 6749 §6). `client/sign-in-refused` when it is spent. */
export async function refreshTokens(
  signIn: Pick<SignIn, 'resource' | 'tokenEndpoint'>,
  refreshToken: string,
): Promise<Tokens> {
  const reply = await post(signIn.tokenEndpoint, {
    client_id: CLIENT_ID,
    grant_type: 'refresh_token',
    resource: signIn.resource,
    refresh_token: refreshToken,
  });
  if (reply.status !== 200) throw new ClientFault('client/sign-in-refused', 'The sign-in has ended. Sign in again.');
  return readTokens(reply);
}

async function waitForTokens(signIn: SignIn, deviceCode: string, initialInterval: number): Promise<Tokens> {
  let interval = initialInterval;
  for (;;) {
    await sleep(interval * 1000);
    const reply = await post(signIn.tokenEndpoint, {
      client_id: CLIENT_ID,
      grant_type: DEVICE_CODE,
      device_code: deviceCode,
      resource: signIn.resource,
    });
    if (reply.status === 200) return readTokens(reply);
    const { error } = parseObject(reply.body) ?? {};
    if (error === 'slow_down') interval += 5;
    else if (error !== 'authorization_pending') throw refused(error);
  }
}

function refused(error: unknown): ClientFault {
  if (error === 'access_denied') return new ClientFault('client/sign-in-refused', 'The sign-in was declined.');
  if (error === 'expired_token') return new ClientFault('client/sign-in-refused', 'The code has expired. Try again.');
  return new ClientFault('client/sign-in-refused', 'The provider does not let this program sign in.');
}

function readTokens(reply: HttpReply): Tokens {
  const answer = readObject(reply);
  const { refresh_token: refreshToken, expires_in: expiresIn } = answer;
  return {
    accessToken: textOf(answer, 'access_token'),
    refreshToken: typeof refreshToken === 'string' ? refreshToken : undefined,
    expiresInSeconds: typeof expiresIn === 'number' && expiresIn > 0 ? expiresIn : 300,
  };
}

async function loadResource(registryUrl: string): Promise<{ resource: string; issuer: string }> {
  const reply = await exchange({
    method: 'GET',
    url: new URL(`${registryUrl}/.well-known/oauth-protected-resource`),
    headers: { accept: 'application/json' },
  });
  const metadata = readObject(reply);
  const resource = textOf(metadata, 'resource');
  const itself = parseServerUrl(resource, { plainHttp: true });
  if (itself !== registryUrl) {
    throw new ClientFault(
      'client/bad-answer',
      `${registryUrl} calls itself ${itself}: if you mean that one, name it so.`,
    );
  }
  const servers = metadata['authorization_servers'];
  const [issuer] = Array.isArray(servers) ? (servers as unknown[]) : [];
  if (typeof issuer !== 'string') throw noSignIn();
  return { resource, issuer };
}

function post(url: string, form: Record<string, string>): Promise<HttpReply> {
  return exchange({
    method: 'POST',
    url: new URL(url),
    headers: { accept: 'application/json' },
    body: new URLSearchParams(form),
  });
}

function readObject({ status, body }: HttpReply): Record<string, unknown> {
  const value = status === 200 ? parseObject(body) : undefined;
  if (!value) throw noSignIn();
  return value;
}

function parseObject(body: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value = parseJson(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

function textOf(object: Record<string, unknown>, member: string): string {
  const value = object[member];
  if (typeof value !== 'string' || value === '') throw noSignIn();
  return value;
}

function noSignIn(): ClientFault {
  return new ClientFault('client/bad-answer', 'The registry’s sign-in does not answer as an OpenID provider does.');
}
