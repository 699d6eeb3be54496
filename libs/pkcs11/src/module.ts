import { CKR, Pkcs11Fault, TokenError } from './fault.ts';

/** A function of a module, called on a thread of the pool; rejects with {@link TokenError} for anything but CKR_OK. */
type Call = (...args: readonly unknown[]) => Promise<void>;

/** The functions of a PKCS#11 module that we call (PKCS#11 v2.40 §5), without their prefix `C_`. */
export type Functions = Readonly<Record<keyof typeof FUNCTIONS, Call>>;

export interface Module {
  readonly call: Functions;
  /** Address of a buffer, for the pointers inside of structures. */
  readonly addressOf: (buffer: Buffer) => bigint;
}

/** Place in CK_FUNCTION_LIST, and the types of the arguments: n for CK_ULONG and handles, p for pointers. */
const FUNCTIONS = {
  Initialize: [0, 'p'],
  GetSlotList: [4, 'bpp'],
  GetTokenInfo: [6, 'np'],
  OpenSession: [12, 'nnppp'],
  CloseSession: [13, 'n'],
  Login: [18, 'nnpn'],
  GetAttributeValue: [24, 'nnpn'],
  FindObjectsInit: [26, 'npn'],
  FindObjects: [27, 'npnp'],
  FindObjectsFinal: [28, 'n'],
  SignInit: [42, 'npn'],
  Sign: [43, 'npnpp'],
  GenerateKeyPair: [59, 'nppnpnpp'],
} as const satisfies Record<string, readonly [number, string]>;

const TYPES: Readonly<Record<string, string>> = { n: 'unsigned long', p: 'void *', b: 'uint8_t' };

const modules = new Map<string, Promise<Module>>();

/**
 * Loads a module and initialises it, once per process: PKCS#11 knows one application per process.
 *
 * It is never ended and initialised again, though some modules see a token that was away in no other way: those that are ended while a
 * thread is still in them take the process along. Its code runs in this process with all its rights. Unix only: on Windows the structures of PKCS#11 are packed.
 */
export function loadModule(path: string): Promise<Module> {
  let module = modules.get(path);
  if (module === undefined) {
    module = open(path);
    modules.set(path, module);
    module.catch(() => modules.delete(path));
  }
  return module;
}

async function open(path: string): Promise<Module> {
  const koffi = await importKoffi();
  let functions: Functions;
  try {
    const library = koffi.load(path);
    const list = Buffer.alloc(POINTER_BYTES);
    const status = library.func('C_GetFunctionList', TYPES['n'] as string, [TYPES['p'] as string])(list) as number;
    if (status !== CKR.ok) throw new TokenError('C_GetFunctionList', status);
    const table = list.readBigUInt64LE();
    const bind = (name: string, [place, types]: readonly [number, string]): Call => {
      const pointer: unknown = koffi.decode(table, (place + 1) * POINTER_BYTES, 'void *');
      const signature = koffi.proto(
        TYPES['n'] as string,
        [...types].map((type) => TYPES[type] as string),
      );
      const native = koffi.decode(pointer, signature) as NativeFunction;
      return (...args) =>
        new Promise((resolve, reject) => {
          // The callback holds the arguments, so that no buffer is collected while another thread writes into it.
          native.async(...args, (error: Error | null, result: number) => {
            if (error) reject(error);
            else if (result === CKR.ok) resolve();
            else reject(new TokenError(`C_${name}`, result));
            void args;
          });
        });
    };
    functions = Object.fromEntries(
      Object.entries(FUNCTIONS).map(([name, entry]) => [name, bind(name, entry)]),
    ) as unknown as Functions;
  } catch (cause) {
    throw new Pkcs11Fault('pkcs11/module-unusable', `${path} is not a PKCS#11 module that can be loaded here.`, {
      cause,
    });
  }
  await initialize(functions, path);
  return { call: functions, addressOf: (buffer) => koffi.address(buffer) };
}

/** Somebody else in this process may have initialised it: that is as good. */
async function initialize(call: Functions, path: string): Promise<void> {
  const args = Buffer.alloc(6 * POINTER_BYTES);
  args.writeBigUInt64LE(CKF_OS_LOCKING_OK, 4 * POINTER_BYTES); // flags, behind the four callbacks
  try {
    await call.Initialize(args);
  } catch (error) {
    if (error instanceof TokenError && error.value === CKR.alreadyInitialized) return;
    throw new Pkcs11Fault('pkcs11/module-unusable', `${path} does not initialise: is it configured?`, { cause: error });
  }
}

const POINTER_BYTES = 8;
const CKF_OS_LOCKING_OK = 2n;

interface NativeFunction {
  async(...args: readonly unknown[]): void;
}

interface Koffi {
  load(path: string): { func(name: string, result: string, parameters: string[]): (...args: unknown[]) => unknown };
  proto(result: string, parameters: string[]): unknown;
  decode(pointer: unknown, ...rest: unknown[]): unknown;
  address(buffer: Buffer): bigint;
}

/** Only who has a token needs it: an optional dependency, looked for when the first key is opened. */
async function importKoffi(): Promise<Koffi> {
  if (process.platform === 'win32') {
    throw new Pkcs11Fault('pkcs11/not-installed', 'Keys in tokens are supported on Unix only.');
  }
  try {
    const { default: koffi } = await import('koffi');
    return koffi as unknown as Koffi;
  } catch (cause) {
    const message = 'The package koffi, which loads PKCS#11 modules, is not installed: run npm install koffi.';
    throw new Pkcs11Fault('pkcs11/not-installed', message, { cause });
  }
}
