import { setTimeout as sleep } from 'node:timers/promises';

export interface DevelopmentLogin {
  /** Where the registry answers, without trailing slash. */
  baseUrl: string;
  /** One of the accounts that the development sign-in offers: alice, bob, carol, victor, vera. */
  account: string;
}

export interface Tokens {
  accessToken: string;
  refreshToken: string | undefined;
  expiresInSeconds: number;
}

const CLIENT_ID = 'margo-trust-cli';
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

/**
 * Signs in at a registry's embedded OpenID provider as a browser and a terminal would together (RFC 8628): asks for a
 * device code, walks through the pages, presses the account's button, fetches the tokens.
 *
 * For demonstrations and tests. A registry in production has no such sign-in; there this throws an Error.
 */
export async function developmentLogin({ baseUrl, account }: DevelopmentLogin): Promise<Tokens> {
  const issuer = (await fetchJson(`${baseUrl}/oidc/.well-known/openid-configuration`)) as {
    device_authorization_endpoint: string;
    token_endpoint: string;
  };
  const device = (await fetchJson(issuer.device_authorization_endpoint, {
    client_id: CLIENT_ID,
    scope: 'openid profile offline_access',
  })) as { device_code: string; verification_uri_complete: string };

  await walkPages(device.verification_uri_complete, account);

  for (let attempt = 0; attempt < 20; attempt++) {
    const answer = (await fetchJson(
      issuer.token_endpoint,
      { client_id: CLIENT_ID, grant_type: DEVICE_CODE, device_code: device.device_code },
      [200, 400],
    )) as { access_token?: string; refresh_token?: string; expires_in: number; error?: string };
    if (answer.access_token !== undefined) {
      return {
        accessToken: answer.access_token,
        refreshToken: answer.refresh_token,
        expiresInSeconds: answer.expires_in,
      };
    }
    if (answer.error !== 'authorization_pending' && answer.error !== 'slow_down') {
      throw new Error(`The sign-in as ${account} ended with ${answer.error}.`);
    }
    await sleep(100);
  }
  throw new Error(`The sign-in as ${account} was not confirmed.`);
}

/** Submits one form after the other until a page has none. */
async function walkPages(start: string, account: string): Promise<void> {
  const cookies = new Map<string, string>();
  let page = await visit(start, cookies);
  for (let step = 0; step < 8; step++) {
    const form = /<form\b[^>]*>[\s\S]*?<\/form>/.exec(page.html)?.[0];
    if (form === undefined) return;
    const fields = new URLSearchParams();
    for (const [input] of form.matchAll(/<input\b[^>]*>/g)) {
      const name = attribute(input, 'name');
      if (name !== undefined) fields.set(name, attribute(input, 'value') ?? '');
    }
    if (form.includes('name="account"')) fields.set('account', account);
    const action = attribute(form, 'action') ?? page.url;
    page = await visit(new URL(action, page.url).href, cookies, fields);
  }
  throw new Error('The sign-in does not end.');
}

async function visit(
  url: string,
  cookies: Map<string, string>,
  fields?: URLSearchParams,
): Promise<{ url: string; html: string }> {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  const response = await fetch(url, {
    method: fields === undefined ? 'GET' : 'POST',
    redirect: 'manual',
    headers: cookie === '' ? {} : { cookie },
    ...(fields === undefined ? {} : { body: fields }),
  });
  for (const set of response.headers.getSetCookie()) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
    if (value === '') cookies.delete(name);
    else cookies.set(name, value);
  }
  const location = response.headers.get('location');
  if (location !== null) return visit(new URL(location, url).href, cookies);
  const html = await response.text();
  if (!response.ok) throw new Error(`The sign-in page ${new URL(url).pathname} answers ${response.status}.`);
  return { url, html };
}

function attribute(tag: string, name: string): string | undefined {
  return new RegExp(`^[^>]*\\b${name}="([^"]*)"`).exec(tag)?.[1]?.replaceAll('&amp;', '&');
}

async function fetchJson(url: string, form?: Record<string, string>, accepted = [200]): Promise<unknown> {
  const response = await fetch(url, form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) });
  if (!accepted.includes(response.status)) throw new Error(`${url} answers ${response.status}.`);
  return response.json();
}
