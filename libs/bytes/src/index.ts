export { BytesFault, type BytesFaultCode } from './fault.ts';
export { encodeHex, parseHex } from './hex.ts';
export { encodeBase64, encodeBase64Url, parseBase64, parseBase64Url } from './base64.ts';
export { encodeUtf8, parseUtf8 } from './utf8.ts';
export { areEqualBytes, compareBytes, concatBytes } from './join.ts';
export { parseJson, type JsonLimits } from './json.ts';
