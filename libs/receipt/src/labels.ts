/** Header labels: RFC 9052 §3.1, RFC 9597, RFC 9942 §2; claims: RFC 8392 §4. */
export const ALG = 1;
export const KID = 4;
export const CWT_CLAIMS = 15;
export const VDS = 395;
export const VDP = 396;
export const ISS = 1;
export const SUB = 2;
export const IAT = 6;

/** The verifiable data structure: a Merkle tree as in RFC 9162 with SHA-256 (RFC 9942 §5.1). */
export const RFC9162_SHA256 = 1;

/** Kinds of proof within {@link VDP} (RFC 9942 §5). */
export const INCLUSION = -1;
export const CONSISTENCY = -2;

/** Private: `[origin, tree size]`. RFC 9942 leaves the size unsigned, and nothing else names the log. */
export const CHECKPOINT = 'margo.checkpoint';

/** `sub` of our receipts. The same for all, so that one signature serves every entry of a checkpoint. */
export const RECEIPT_SUBJECT = 'margo.tlog.receipt.v1';
