export { CoseFault, type CoseFaultCode } from './fault.ts';
export { encodeCoseSign1, parseCoseSign1, toBeSigned, type CoseSign1 } from './sign1.ts';
export { algorithmOf, coseAlgorithmId } from './algorithm.ts';
export { prepareCheck, verifyCoseSign1, type CoseCheckOptions } from './verify.ts';
export { coseKeyThumbprint, encodeCoseKey, parseCoseKey, type CoseKey } from './key.ts';
