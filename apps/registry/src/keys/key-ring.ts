import { createPrivateKey, type KeyObject } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { areEqualBytes } from '@margo-trust/bytes';
import { type MlDsa44Key, openMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { openTokenKey, parsePkcs11Uri, Pkcs11Fault } from '@margo-trust/pkcs11';
import { StartError } from '../start-error.ts';
import { KeyObjectSigner } from './key-object-signer.ts';
import { decodeSeed } from './ml-dsa-key.ts';
import type { Signer } from './signer.ts';
import { keyFile, type KeySlot, keyTypeOf, keyUriFile, ML_DSA_SLOT, type OnlineSlot } from './slots.ts';
import { TokenSigner } from './token-signer.ts';

/**
 * The service's keys, by slot: `<slot>.pem` holds the key, or `<slot>.uri` says which one in a token (RFC 7512). Beside it may be
 * others of the same kind, `<slot>.<name>.pem` or `.uri`: one that is to follow, and those that came before. Private keys never
 * touch the database.
 * Trusted for: every signature the registry makes.
 */
export class KeyRing {
  private readonly loaded = new Map<KeySlot, Signer>();
  /** Keys beside a slot's own, by file name without its end. */
  private readonly spare = new Map<string, Signer>();
  /** By file name without its end. */
  private readonly mlDsa = new Map<string, MlDsa44Key>();
  private readonly directory: string;
  private readonly passphrase: string | undefined;
  private readonly pin: string | undefined;

  /** `pin` is that of tokens whose URI names no file with one. */
  constructor(directory: string, passphrase?: string, pin?: string) {
    [this.directory, this.passphrase, this.pin] = [directory, passphrase, pin];
  }

  /** Whether the key is here. Offline ones are, during the embedded ceremony only. */
  has(slot: KeySlot): boolean {
    return this.loaded.has(slot) || [keyFile(slot), keyUriFile(slot)].some((file) => this.isThere(file));
  }

  /**
   * Opens the keys in tokens that have not been opened yet; {@link load} finds no others. At the start, and when a key may have come.
   * Throws StartError when a URI or what it leads to is not what it should be.
   */
  async openTokens(): Promise<void> {
    for (const folder of ['', 'offline']) {
      const directory = join(this.directory, folder);
      const files = existsSync(directory) ? readdirSync(directory).filter((file) => file.endsWith('.uri')) : [];
      for (const file of files) await this.openToken(file.slice(0, -'.uri'.length), join(directory, file));
    }
  }

  private async openToken(name: string, path: string): Promise<void> {
    const [base = '', ...label] = name.split('.');
    if (keyTypeOf(base) === undefined) throw new StartError(`${path} belongs to no key that we know.`);
    const slot = base as KeySlot;
    if (label.length > 0) {
      if (!this.spare.has(name)) this.spare.set(name, this.checked(slot, path, await this.signInToken(path)));
      return;
    }
    if (this.loaded.has(slot)) return;
    if (join(this.directory, keyUriFile(slot)) !== path) throw new StartError(`${path} must be ${keyUriFile(slot)}.`);
    if (this.isThere(keyFile(slot))) throw new StartError(`Remove ${path} or ${keyFile(slot)}: a key is in one place.`);
    this.keep(slot, path, await this.signInToken(path));
  }

  private async signInToken(path: string): Promise<Signer> {
    try {
      return new TokenSigner(await openTokenKey(parsePkcs11Uri(readFileSync(path, 'utf8')), this.pin));
    } catch (cause) {
      if (!(cause instanceof Pkcs11Fault)) throw cause;
      throw new StartError(`${path}: ${cause.message} (${cause.code})`, { cause });
    }
  }

  private isThere(file: string): boolean {
    return existsSync(join(this.directory, file));
  }

  /** The signer of a slot. Throws when its file is missing, readable by others, locked, or of the wrong type. */
  load(slot: KeySlot): Signer {
    const known = this.loaded.get(slot);
    if (known !== undefined) return known;
    const path = join(this.directory, keyFile(slot));
    return this.keep(slot, path, this.read(slot, path));
  }

  /**
   * The signer of a slot with this public key (SubjectPublicKeyInfo, DER), under whichever name it lies; undefined when the ring
   * does not hold it. Files are looked for again until it does, tokens only by {@link openTokens}.
   */
  findByPublicKey(slot: OnlineSlot, spki: Uint8Array): Signer | undefined {
    const isIt = (signer: Signer | undefined) => signer !== undefined && areEqualBytes(signer.spki, spki);
    const known = [this.loaded.get(slot), ...this.spareOf(slot)].find(isIt);
    if (known || !existsSync(this.directory)) return known;
    const names = readdirSync(this.directory).filter((name) => name.startsWith(`${slot}.`) && name.endsWith('.pem'));
    for (const name of names) {
      const signer = this.read(slot, join(this.directory, name));
      if (!isIt(signer)) continue;
      this.spare.set(`${slot}.=${name}`, signer);
      return signer;
    }
    return undefined;
  }

  /** The signer that is to follow in a slot, `<slot>.next`: its file is read anew. */
  findNext(slot: OnlineSlot): Signer | undefined {
    const path = join(this.directory, `${slot}.next.pem`);
    return existsSync(path) ? this.read(slot, path) : this.spare.get(`${slot}.next`);
  }

  /** The ring of a folder below this one. */
  within(folder: string): KeyRing {
    return new KeyRing(join(this.directory, folder), this.passphrase, this.pin);
  }

  private spareOf(slot: OnlineSlot): Signer[] {
    return [...this.spare].filter(([name]) => name.startsWith(`${slot}.`)).map(([, signer]) => signer);
  }

  private read(slot: KeySlot, path: string): Signer {
    return this.checked(slot, path, new KeyObjectSigner(readKey(path, this.passphrase)));
  }

  private keep(slot: KeySlot, path: string, signer: Signer): Signer {
    this.loaded.set(slot, this.checked(slot, path, signer));
    return signer;
  }

  private checked(slot: KeySlot, path: string, signer: Signer): Signer {
    const type = keyTypeOf(slot);
    if (type !== undefined && ALGORITHM[type] === signer.algorithm) return signer;
    throw new StartError(`${path} must hold a key of type ${type}.`);
  }

  /** The ML-DSA-44 key in its slot's own file, for a log that is to be opened; undefined without one. Throws as {@link load} does. */
  firstMlDsa44(): MlDsa44Key | undefined {
    return this.readMlDsa44(ML_DSA_SLOT);
  }

  /** The one that is to follow, or to be the first: as {@link findNext}. */
  nextMlDsa44(): MlDsa44Key | undefined {
    return this.readMlDsa44(`${ML_DSA_SLOT}.next`);
  }

  /** The ML-DSA-44 key with this public key (1312 bytes), as {@link findByPublicKey}. */
  findMlDsa44(publicKey: Uint8Array): MlDsa44Key | undefined {
    const isIt = (key: MlDsa44Key | undefined) => key !== undefined && areEqualBytes(key.publicKey, publicKey);
    const known = [...this.mlDsa.values()].find(isIt);
    if (known || !existsSync(this.directory)) return known;
    for (const file of readdirSync(this.directory)) {
      if (!file.startsWith(`${ML_DSA_SLOT}.`) || !file.endsWith('.pem')) continue;
      const name = file.slice(0, -'.pem'.length);
      const key = this.readMlDsa44(name);
      if (!key || !isIt(key)) continue;
      this.mlDsa.set(name, key);
      return key;
    }
    return undefined;
  }

  private readMlDsa44(name: string): MlDsa44Key | undefined {
    const path = join(this.directory, `${name}.pem`);
    if (!existsSync(path)) return undefined;
    refuseOpen(path);
    const seed = decodeSeed(readFileSync(path, 'utf8'), this.passphrase);
    if (seed) return openMlDsa44(seed);
    throw new StartError(
      `${path} does not open: is it a PKCS#8 PEM of an ML-DSA-44 seed, and is KEYS_PASSPHRASE right?`,
    );
  }
}

const ALGORITHM = { Ed25519: 'Ed25519', 'P-256': 'ES256', 'P-384': 'ES384' } as const;

/** Reads a PKCS#8 PEM, refusing a file that others may read. */
export function readKey(path: string, passphrase?: string): KeyObject {
  if (!existsSync(path)) throw new StartError(`The key file ${path} is missing.`);
  refuseOpen(path);
  try {
    return createPrivateKey({ key: readFileSync(path), ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (cause) {
    throw new StartError(`${path} does not open: is it a PKCS#8 PEM, and is KEYS_PASSPHRASE right?`, { cause });
  }
}

function refuseOpen(path: string): void {
  if ((statSync(path).mode & 0o077) !== 0) throw new StartError(`${path} is open to others: run chmod 600 on it.`);
}
