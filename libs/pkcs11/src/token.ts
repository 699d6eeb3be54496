import { readFileSync } from 'node:fs';
import { CKR, isLostSession, PIN_REFUSALS, Pkcs11Fault, TokenError } from './fault.ts';
import { loadModule, type Module } from './module.ts';
import type { Pkcs11Uri } from './uri.ts';

/** One operation at a time goes through a session; so many at once go through a token. */
const MAX_SESSIONS = 8;

export interface Session {
  readonly handle: bigint;
  /** Grows when the token was lost and found again: handles of objects from before mean nothing. */
  readonly generation: number;
}

/**
 * A token that somebody has logged in to, and its sessions. Login is the matter of a process and a token, not of a session, so there
 * is one of these per token.
 */
export class Token {
  readonly module: Module;
  private readonly uri: Pkcs11Uri;
  private readonly pin: string | undefined;
  private readonly idle: Session[] = [];
  private readonly waiting: (() => void)[] = [];
  private open = 0;
  private generation = 0;
  private connected: Promise<bigint> | undefined;
  private refusal: TokenError | undefined;

  constructor(module: Module, uri: Pkcs11Uri, pin: string | undefined) {
    this.module = module;
    this.uri = uri;
    this.pin = pin;
  }

  /**
   * Runs `work` in a session that nobody else uses meanwhile. When the token was lost, or lost us, it logs in anew and runs `work`
   * once more: so `work` must bear being repeated, and look its objects up again when the generation is another.
   */
  async run<T>(work: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await this.runOnce(work);
    } catch (error) {
      if (!isLostSession(error)) throw this.explain(error);
    }
    try {
      return await this.runOnce(work);
    } catch (error) {
      throw this.explain(error);
    }
  }

  private async runOnce<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.borrow();
    try {
      const result = await work(session);
      this.giveBack(session);
      return result;
    } catch (error) {
      if (isLostSession(error)) this.forget(session);
      else this.giveBack(session);
      throw error;
    }
  }

  private async borrow(): Promise<Session> {
    for (;;) {
      const session = this.idle.pop();
      if (session !== undefined) return session;
      if (this.open < MAX_SESSIONS) break;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    this.open++;
    try {
      const slot = await (this.connected ??= this.connect());
      return { handle: await this.openSession(slot), generation: this.generation };
    } catch (error) {
      this.open--;
      this.connected = undefined;
      this.waiting.shift()?.();
      throw error;
    }
  }

  private giveBack(session: Session): void {
    if (session.generation !== this.generation) return this.close(session);
    this.idle.push(session);
    this.waiting.shift()?.();
  }

  /** The first to notice starts the next generation; sessions of the old one end as they come back. */
  private forget(session: Session): void {
    if (session.generation === this.generation) {
      this.generation++;
      this.connected = undefined;
      for (const idle of this.idle.splice(0)) this.close(idle);
    }
    this.close(session);
  }

  private close({ handle }: Session): void {
    this.open--;
    this.module.call.CloseSession(handle).catch(() => undefined); // it is lost already, perhaps
    this.waiting.shift()?.();
  }

  /** Finds the slot the token is in now, and logs in. */
  private async connect(): Promise<bigint> {
    if (this.refusal !== undefined) throw this.refusal; // a token counts wrong PINs, and locks itself
    const slot = await findSlot(this.module, this.uri);
    const session = await this.openSession(slot);
    const pin = Buffer.from(this.readPin());
    try {
      await this.module.call.Login(session, CKU_USER, pin, pin.length);
    } catch (error) {
      if (!(error instanceof TokenError && error.value === CKR.alreadyLoggedIn)) {
        await this.module.call.CloseSession(session).catch(() => undefined);
        if (error instanceof TokenError && PIN_REFUSALS.has(error.value)) this.refusal = error;
        throw error;
      }
    } finally {
      pin.fill(0);
    }
    // The last session that ends takes the login with it: this one stays.
    return slot;
  }

  private async openSession(slot: bigint): Promise<bigint> {
    const handle = Buffer.alloc(8);
    await this.module.call.OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, null, null, handle);
    return handle.readBigUInt64LE();
  }

  private readPin(): string {
    const { pinFile } = this.uri;
    if (pinFile === undefined) {
      if (this.pin !== undefined) return this.pin;
      const message = `Token ${this.name} needs a PIN: name a file by "pin-source" in its URI, or set PKCS11_PIN.`;
      throw new Pkcs11Fault('pkcs11/no-pin', message);
    }
    try {
      return readFileSync(pinFile, 'utf8').replace(/\r?\n$/, '');
    } catch (cause) {
      throw new Pkcs11Fault('pkcs11/no-pin', `The file with the PIN of token ${this.name} cannot be read.`, { cause });
    }
  }

  private explain(error: unknown): unknown {
    if (!(error instanceof TokenError)) return error;
    const [code, message] = PIN_REFUSALS.has(error.value)
      ? (['pkcs11/wrong-pin', `Token ${this.name} does not take the PIN: ${error.message}`] as const)
      : (['pkcs11/token-failed', `Token ${this.name} failed: ${error.message}`] as const);
    return new Pkcs11Fault(code, message, { cause: error });
  }

  private get name(): string {
    return this.uri.token ?? this.uri.serial ?? '';
  }
}

const tokens = new Map<string, Promise<Token>>();

/** The token of a URI; the same one for every key on it. `pin` counts where the URI names no file. */
export function openToken(uri: Pkcs11Uri, pin: string | undefined): Promise<Token> {
  const name = JSON.stringify([uri.modulePath, uri.token, uri.serial, uri.pinFile, pin]);
  let token = tokens.get(name);
  if (token === undefined) {
    token = loadModule(uri.modulePath).then((module) => new Token(module, uri, pin));
    tokens.set(name, token);
    token.catch(() => tokens.delete(name));
  }
  return token;
}

async function findSlot(module: Module, { token, serial }: Pkcs11Uri): Promise<bigint> {
  const found: bigint[] = [];
  for (const slot of await listSlots(module)) {
    const info = Buffer.alloc(TOKEN_INFO_BYTES);
    await module.call.GetTokenInfo(slot, info);
    const text = (start: number, length: number) => info.toString('utf8', start, start + length).trimEnd();
    if (token !== undefined && text(0, 32) !== token) continue; // label, manufacturer, model, serial number
    if (serial !== undefined && text(80, 16) !== serial) continue;
    found.push(slot);
  }
  const [slot, another] = found;
  if (slot === undefined || another !== undefined) {
    const count = slot === undefined ? 'No token has' : 'Several tokens have';
    throw new Pkcs11Fault('pkcs11/token-not-found', `${count} the label or serial number ${token ?? serial}.`);
  }
  return slot;
}

async function listSlots({ call }: Module): Promise<bigint[]> {
  const count = Buffer.alloc(8);
  await call.GetSlotList(1, null, count); // 1: with a token in it
  const slots = Buffer.alloc(Number(count.readBigUInt64LE()) * 8);
  await call.GetSlotList(1, slots, count);
  return Array.from({ length: Number(count.readBigUInt64LE()) }, (_, i) => slots.readBigUInt64LE(i * 8));
}

const TOKEN_INFO_BYTES = 208;
const CKU_USER = 1;
const CKF_RW_SESSION = 2;
const CKF_SERIAL_SESSION = 4;
