export { OpenpgpFault, type OpenpgpFaultCode } from './fault.ts';
export { armorOpenpgpKey, MAX_KEY_BYTES, readOpenpgpKey, type OpenpgpKey } from './key.ts';
export { verifyProvenance, type HeldChart } from './provenance.ts';
export { verifyCleartext, verifyDetached, type OpenpgpSignature, type SignedText } from './signature.ts';
