import { developmentLogin, parseServerUrl, refreshTokens, RegistryApi, type Tokens } from '@margo-trust/client';
import { dockerCredentials, type RegistryOptions } from '@margo-trust/oci';
import { CliFault } from './fault.ts';
import type { Io } from './io.ts';
import { LoginStore, type Login } from './login-store.ts';
import { timeText } from './outcome.ts';
import { configFile, defaultTrustRoot, dockerConfigFile } from './paths.ts';
import type { Printer } from './printer.ts';

/** Options that every command takes. */
export interface GlobalOptions {
  readonly registry?: string;
  readonly token?: string;
  readonly as?: string;
  readonly trustRoot?: string;
  readonly plainHttp?: boolean;
  /** Name of a log other than the first. */
  readonly of?: string;
}

/** What a command works with: where things are, who runs it, and how to talk to them. Flag before environment before file. */
export class Session {
  readonly io: Io;
  readonly printer: Printer;
  readonly plainHttp: boolean;
  private readonly options: GlobalOptions;

  constructor(io: Io, printer: Printer, options: GlobalOptions) {
    this.io = io;
    this.printer = printer;
    this.options = options;
    this.plainHttp = options.plainHttp ?? false;
  }

  /** Whom to be at a registry for development, where no password is asked for. */
  get account(): string | undefined {
    return this.options.as;
  }

  get logins(): LoginStore {
    return new LoginStore(configFile(this.io));
  }

  get trustRootDirectory(): string {
    return this.options.trustRoot ?? this.io.env['MARGO_TRUST_ROOT'] ?? defaultTrustRoot(this.io);
  }

  /** For registries of artifacts. */
  get registryOptions(): RegistryOptions {
    const config = dockerConfigFile(this.io);
    return { userAgent: 'margo-trust', ...(config !== undefined && { credentials: dockerCredentials(config) }) };
  }

  async registryUrl(): Promise<string> {
    const named = this.options.registry ?? this.io.env['MARGO_TRUST_REGISTRY'] ?? (await this.logins.findCurrent());
    if (!named) {
      const advice =
        'Give --registry URL, set MARGO_TRUST_REGISTRY, or sign in once: margo-trust login --registry URL.';
      throw new CliFault('cli/no-registry', 'No registry is named.', advice);
    }
    return parseServerUrl(named, { plainHttp: this.plainHttp });
  }

  /** The registry for anybody. */
  async api(): Promise<RegistryApi> {
    return new RegistryApi({ url: await this.registryUrl(), plainHttp: this.plainHttp, ...this.ofLog() });
  }

  /** Where the log's files are: at the registry, or below it for one of its own name. */
  async logUrl(): Promise<string> {
    const { of } = this.options;
    return of === undefined ? this.registryUrl() : `${await this.registryUrl()}/logs/${encodeURIComponent(of)}`;
  }

  /** Throws CliFault `cli/bad-usage` where one log was named. */
  refuseOf(why: string): void {
    if (this.options.of === undefined) return;
    throw new CliFault('cli/bad-usage', `This command takes no --of. ${why}`, 'Leave --of out.');
  }

  /** The registry for somebody who has signed in. */
  async signedInApi(): Promise<RegistryApi> {
    const url = await this.registryUrl();
    return new RegistryApi({ url, token: await this.accessToken(url), plainHttp: this.plainHttp, ...this.ofLog() });
  }

  /** The registry as whoever has signed in sees it, or else as everybody does: to members some answers say more. */
  async memberApi(): Promise<RegistryApi> {
    try {
      return await this.signedInApi();
    } catch (error) {
      if (error instanceof CliFault && error.code === 'cli/not-signed-in') return this.api();
      throw error;
    }
  }

  async keepLogin(registry: string, tokenEndpoint: string, tokens: Tokens): Promise<void> {
    await this.logins.keep(registry, this.loginOf(tokenEndpoint, tokens));
  }

  private ofLog(): { readonly log?: string } {
    return this.options.of === undefined ? {} : { log: this.options.of };
  }

  private async accessToken(registry: string): Promise<string> {
    const given = this.options.token ?? this.io.env['MARGO_TRUST_TOKEN'];
    if (given) return given;
    if (this.account !== undefined) return (await signInAs(registry, this.account)).accessToken;
    const login = await this.logins.find(registry);
    if (!login) throw notSignedIn(registry);
    if (new Date(login.expiresAt) > this.io.now()) return login.accessToken;
    if (login.refreshToken === undefined) throw notSignedIn(registry);
    const tokens = await refreshTokens({ resource: registry, tokenEndpoint: login.tokenEndpoint }, login.refreshToken);
    const kept = { ...tokens, refreshToken: tokens.refreshToken ?? login.refreshToken };
    await this.keepLogin(registry, login.tokenEndpoint, kept);
    return tokens.accessToken;
  }

  private loginOf(tokenEndpoint: string, { accessToken, refreshToken, expiresInSeconds }: Tokens): Login {
    // A minute early: the token must outlive the request that it is sent with.
    const expiresAt = timeText(new Date(this.io.now().getTime() + (expiresInSeconds - 60) * 1000));
    return { tokenEndpoint, accessToken, expiresAt, ...(refreshToken !== undefined && { refreshToken }) };
  }
}

/** Only a registry for development lets anybody be anybody. */
export async function signInAs(registry: string, account: string): Promise<Tokens> {
  try {
    return await developmentLogin({ baseUrl: registry, account });
  } catch (cause) {
    const message = `Signing in as ${account} without a password did not work.`;
    const advice = 'That works at a registry for development only, as alice, bob, carol, victor or vera.';
    throw new CliFault('cli/not-signed-in', message, advice, { cause });
  }
}

function notSignedIn(registry: string): CliFault {
  return new CliFault('cli/not-signed-in', `Nobody is signed in at ${registry}.`, 'Sign in first: margo-trust login.');
}
