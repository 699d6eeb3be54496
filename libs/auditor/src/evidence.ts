import type { Hash } from '@margo-trust/merkle';

/**
 * What a log holds at entries `first` to before `first` + number of rows, with all that an auditor needs: the bundle of
 * `/log/evidence/…` (docs/formats.md). Nothing in it is trusted: it is what the log claims.
 */
export interface LogEvidence {
  /** The log's name. */
  readonly origin: string;
  /** Index of the first row, a multiple of 256. */
  readonly first: bigint;
  /** 1 to 256, one for each entry, in order. */
  readonly rows: readonly EvidenceRow[];
  /** Every head whose size is above `first` and at most `first` + number of rows, smallest first. */
  readonly seals: readonly Seal[];
}

/**
 * What a leaf is made of. `statement`: the leaf is the digest of `body`. `raw`: the leaf is `body` itself. `erased`: the
 * leaf is the digest of a statement that is no longer kept, or that not everybody may read.
 */
export type EvidenceKind = 'statement' | 'raw' | 'erased';

/** One entry of a log as its database has it. */
export interface EvidenceRow {
  readonly kind: EvidenceKind;
  /** SHA-256 of the statement with empty unprotected header, or of the raw leaf: the EntryID's bytes. */
  readonly entry: Uint8Array;
  /** The statement with empty unprotected header, or the raw leaf. Absent when erased. */
  readonly body?: Uint8Array;
  /** To the millisecond. */
  readonly registeredAt: Date;
  readonly contentType: string;
  readonly issuer: string;
  readonly subject: string;
  readonly vendorId?: string;
  readonly applicationId?: string;
  readonly version?: string;
  /** SHA-256 of the certificate that the entry is found by. */
  readonly certificate?: Uint8Array;
  /** Certificates that came with the statement, leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly timestampToken?: Uint8Array;
  /** What search finds the entry by, each once, in bytewise order. */
  readonly mentions: readonly string[];
}

/** A head of the log: what was committed in one transaction, and dates the receipts of the entries it added. */
export interface Seal {
  readonly size: bigint;
  readonly root: Hash;
  /** To the millisecond. */
  readonly committedAt: Date;
}

export const EVIDENCE_TYPE = 'margo.log-evidence.v1';
export const SEALS_TYPE = 'margo.log-seals.v1';

/** Kinds as they stand in a bundle. */
export const KINDS: readonly EvidenceKind[] = ['statement', 'raw', 'erased'];
