export { Pkcs11Fault, type Pkcs11FaultCode } from './fault.ts';
export { generateTokenKey, openTokenKey, type TokenKey, type TokenKeyType } from './key.ts';
export { describeKey, parsePkcs11Uri, type Pkcs11Uri } from './uri.ts';
