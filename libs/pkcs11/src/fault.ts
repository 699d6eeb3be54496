import { Fault } from '@margo-trust/fault';

/** Stable: retire a code, never rename it. */
export type Pkcs11FaultCode =
  | 'pkcs11/bad-uri'
  | 'pkcs11/key-exists'
  | 'pkcs11/key-mismatch'
  | 'pkcs11/key-not-found'
  | 'pkcs11/module-unusable'
  | 'pkcs11/no-pin'
  | 'pkcs11/not-installed'
  | 'pkcs11/token-failed'
  | 'pkcs11/token-not-found'
  | 'pkcs11/unsupported-key'
  | 'pkcs11/wrong-pin';

export class Pkcs11Fault extends Fault<Pkcs11FaultCode> {}

/** What a module's function returned (PKCS#11 §3.6), by name where it is known. */
export class TokenError extends Error {
  override name = 'TokenError';

  constructor(
    readonly call: string,
    readonly value: number,
  ) {
    super(`${call} returned ${RETURN_VALUES[value] ?? `0x${value.toString(16)}`}.`);
  }
}

/** The token or our sessions with it are gone: worth another try with new ones. */
export function isLostSession(error: unknown): boolean {
  return error instanceof TokenError && LOST.has(RETURN_VALUES[error.value] ?? '');
}

export const CKR = { ok: 0, slotIdInvalid: 0x3, alreadyLoggedIn: 0x100, alreadyInitialized: 0x191 } as const;

export const PIN_REFUSALS = new Set([0xa0, 0xa1, 0xa2, 0xa3, 0xa4]);

/** Those that an operator meets. */
const RETURN_VALUES: Readonly<Record<number, string>> = {
  0x2: 'CKR_HOST_MEMORY',
  0x3: 'CKR_SLOT_ID_INVALID',
  0x5: 'CKR_GENERAL_ERROR',
  0x6: 'CKR_FUNCTION_FAILED',
  0x7: 'CKR_ARGUMENTS_BAD',
  0x30: 'CKR_DEVICE_ERROR',
  0x31: 'CKR_DEVICE_MEMORY',
  0x32: 'CKR_DEVICE_REMOVED',
  0x54: 'CKR_FUNCTION_NOT_SUPPORTED',
  0x60: 'CKR_KEY_HANDLE_INVALID',
  0x68: 'CKR_KEY_FUNCTION_NOT_PERMITTED',
  0x70: 'CKR_MECHANISM_INVALID',
  0x71: 'CKR_MECHANISM_PARAM_INVALID',
  0x82: 'CKR_OBJECT_HANDLE_INVALID',
  0x90: 'CKR_OPERATION_ACTIVE',
  0x91: 'CKR_OPERATION_NOT_INITIALIZED',
  0xa0: 'CKR_PIN_INCORRECT',
  0xa1: 'CKR_PIN_INVALID',
  0xa2: 'CKR_PIN_LEN_RANGE',
  0xa3: 'CKR_PIN_EXPIRED',
  0xa4: 'CKR_PIN_LOCKED',
  0xb0: 'CKR_SESSION_CLOSED',
  0xb1: 'CKR_SESSION_COUNT',
  0xb3: 'CKR_SESSION_HANDLE_INVALID',
  0xb5: 'CKR_SESSION_READ_ONLY',
  0xd0: 'CKR_TEMPLATE_INCOMPLETE',
  0xd1: 'CKR_TEMPLATE_INCONSISTENT',
  0xe0: 'CKR_TOKEN_NOT_PRESENT',
  0xe1: 'CKR_TOKEN_NOT_RECOGNIZED',
  0xe2: 'CKR_TOKEN_WRITE_PROTECTED',
  0x101: 'CKR_USER_NOT_LOGGED_IN',
  0x190: 'CKR_CRYPTOKI_NOT_INITIALIZED',
};

const LOST = new Set([
  'CKR_SLOT_ID_INVALID',
  'CKR_GENERAL_ERROR',
  'CKR_DEVICE_ERROR',
  'CKR_DEVICE_REMOVED',
  'CKR_KEY_HANDLE_INVALID',
  'CKR_OBJECT_HANDLE_INVALID',
  'CKR_OPERATION_ACTIVE',
  'CKR_OPERATION_NOT_INITIALIZED',
  'CKR_SESSION_CLOSED',
  'CKR_SESSION_HANDLE_INVALID',
  'CKR_TOKEN_NOT_PRESENT',
  'CKR_USER_NOT_LOGGED_IN',
]);
