/** The fixed parts of the file; docs/formats.md describes it. Numbers are big-endian. */
export const MAGIC = 0x4d524601; // "MRF", version 1
export const HASH_SHA256 = 1;
export const SALT_BYTES = 16;
export const MAX_LEVELS = 64;
export const MAX_PROBES = 32;
export const MAX_BITS = 0xffff_ffff;
export const MAX_ISSUERS = 255;
export const MAX_ORIGIN = 253;
