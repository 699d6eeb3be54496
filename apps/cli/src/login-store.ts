import { parseJson } from '@margo-trust/bytes';
import { readFileWithin } from '@margo-trust/client';
import { Fault } from '@margo-trust/fault';
import { replaceSecret } from './files.ts';

/** One sign-in at one registry. */
export interface Login {
  readonly tokenEndpoint: string;
  readonly accessToken: string;
  readonly refreshToken?: string;
  /** `YYYY-MM-DDTHH:MM:SSZ` */
  readonly expiresAt: string;
}

interface Logins {
  /** The registry that was signed in at last: where commands go that name none. */
  readonly current?: string;
  readonly logins: Readonly<Record<string, Login>>;
}

/** Sign-ins, in a file that only its owner can read. A damaged file counts as empty: then one signs in again. */
export class LoginStore {
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  async findCurrent(): Promise<string | undefined> {
    return (await this.read()).current;
  }

  async find(registry: string): Promise<Login | undefined> {
    const { logins } = await this.read();
    return Object.hasOwn(logins, registry) ? logins[registry] : undefined;
  }

  async keep(registry: string, login: Login): Promise<void> {
    const { logins } = await this.read();
    await this.write({ current: registry, logins: { ...logins, [registry]: login } });
  }

  /** Whether there was one. */
  async forget(registry: string): Promise<boolean> {
    const { current, logins } = await this.read();
    const { [registry]: forgotten, ...others } = logins;
    if (forgotten) await this.write({ ...(current !== undefined && { current }), logins: others });
    return forgotten !== undefined;
  }

  private async read(): Promise<Logins> {
    try {
      const bytes = await readFileWithin(this.path, 1 << 20);
      const value = bytes && parseJson(bytes);
      if (!isObject(value)) return { logins: {} };
      const { current, logins } = value;
      const entries = isObject(logins)
        ? Object.entries(logins).filter((entry): entry is [string, Login] => isLogin(entry[1]))
        : [];
      return { logins: Object.fromEntries(entries), ...(typeof current === 'string' && { current }) };
    } catch (error) {
      if (error instanceof Fault) return { logins: {} };
      throw error;
    }
  }

  private write(logins: Logins): Promise<void> {
    return replaceSecret(this.path, `${JSON.stringify(logins, null, 2)}\n`);
  }
}

function isLogin(value: unknown): value is Login {
  if (!isObject(value)) return false;
  const { tokenEndpoint, accessToken, refreshToken, expiresAt } = value;
  const isOptionalText = refreshToken === undefined || typeof refreshToken === 'string';
  return [tokenEndpoint, accessToken, expiresAt].every((text) => typeof text === 'string') && isOptionalText;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
