import { readChallenges, type Challenge } from './challenge.ts';
import type { Credentials, CredentialStore } from './credentials.ts';
import { OciFault } from './fault.ts';
import { parseServerUrl, readBody, request, type HttpOptions } from './http.ts';
import { parseJsonObject } from './json.ts';

export type Access = 'pull' | 'pull,push' | 'pull,push,delete';

/**
 * The Authorization headers for one repository: Basic (RFC 7617), or a bearer token of the service that the registry
 * names (distribution-spec token authentication; OAuth 2 with an identity token). Tokens are kept as long as they work.
 */
export class Authorization {
  private readonly registry: string;
  private readonly repository: string;
  private readonly store: CredentialStore | undefined;
  private readonly options: HttpOptions;
  private readonly headers = new Map<Access, string>();
  private credentials: Promise<Credentials | undefined> | undefined;

  constructor(registry: string, repository: string, store: CredentialStore | undefined, options: HttpOptions) {
    this.registry = registry;
    this.repository = repository;
    this.store = store;
    this.options = options;
  }

  /** What is known to have worked for this access, if anything. */
  known(access: Access): string | undefined {
    return this.headers.get(access);
  }

  /** Answers a 401. `challengeHeader` and everything it leads to come from the registry. */
  async answer(challengeHeader: string | null, access: Access): Promise<string> {
    this.headers.delete(access);
    const challenges = readChallenges(challengeHeader ?? '');
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    const header = bearer
      ? `Bearer ${await this.fetchToken(bearer, access)}`
      : challenges.some(({ scheme }) => scheme === 'basic')
        ? await this.basic()
        : undefined;
    if (!header) throw new OciFault('oci/unauthorized', `${this.registry} wants a login and none is known for it.`);
    this.headers.set(access, header);
    return header;
  }

  private async basic(): Promise<string | undefined> {
    const credentials = await this.load();
    if (!credentials || !('username' in credentials)) return undefined;
    return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
  }

  private async fetchToken({ parameters }: Challenge, access: Access): Promise<string> {
    const realm = parseServerUrl(parameters.get('realm') ?? '', undefined, this.options);
    const form = new URLSearchParams();
    const service = parameters.get('service');
    if (service) form.set('service', service);
    // A registry may ask for more than is needed here, or less; our own scope makes the token fit later requests too.
    form.append('scope', `repository:${this.repository}:${access}`);

    const credentials = await this.load();
    const answer =
      credentials && 'identityToken' in credentials
        ? await this.postForm(realm, form, credentials.identityToken)
        : await this.getToken(realm, form);
    if (answer.status !== 200) {
      await answer.discard();
      throw new OciFault(
        'oci/unauthorized',
        `The token service of ${this.registry} refused (status ${answer.status}).`,
      );
    }
    const body = parseJsonObject(await readBody(answer, 1_048_576), 1_048_576, 'oci/bad-answer', 'The token answer');
    const token = body['token'] ?? body['access_token'];
    if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
      throw new OciFault('oci/bad-answer', `The token service of ${this.registry} gave no token.`);
    }
    return token;
  }

  private async getToken(realm: URL, form: URLSearchParams) {
    for (const [name, value] of form) realm.searchParams.append(name, value);
    const authorization = await this.basic();
    return request(realm, { method: 'GET', ...(authorization && { headers: { authorization } }) }, this.options);
  }

  private postForm(realm: URL, form: URLSearchParams, identityToken: string) {
    form.set('grant_type', 'refresh_token');
    form.set('client_id', 'margo-trust');
    form.set('refresh_token', identityToken);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return request(realm, { method: 'POST', headers, body: Buffer.from(form.toString()) }, this.options);
  }

  private load(): Promise<Credentials | undefined> {
    this.credentials ??= this.store?.(this.registry) ?? Promise.resolve(undefined);
    return this.credentials;
  }
}
