export { CborFault, type CborFaultCode } from './fault.ts';
export { CborFloat, CborTag, isCborMap, type CborMap, type CborValue } from './value.ts';
export { encodeCbor } from './encode.ts';
export { decodeCbor, type CborLimits } from './decode.ts';
