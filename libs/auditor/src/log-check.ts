import { areEqualBytes, compareBytes, encodeBase64, encodeBase64Url, encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { appendLeaves, emptyRange, hashLeaf, rootOfRange, type CompactRange, type Hash } from '@margo-trust/merkle';
import { CONTENT, parseStatement, readFacts, type Statement } from '@margo-trust/statement';
import type { Checkpoint } from '@margo-trust/tlog';
import type { EvidenceRow, LogEvidence, Seal } from './evidence.ts';
import { AuditorFault, type AuditorFaultCode } from './fault.ts';

/** A row whose leaf belongs to what it shows. */
export interface CheckedRow {
  readonly index: bigint;
  readonly row: EvidenceRow;
  /** Parsed and, with its chain, as it was registered; absent for raw leaves and what was erased. Its signature is unchecked. */
  readonly statement?: Statement;
  /** The bytes that are hashed into the tree, and their hash. */
  readonly leaf: Uint8Array;
  readonly leafHash: Hash;
}

/**
 * Recomputes a log from evidence, in order: every entry from its statement, every leaf, and the tree root at every head.
 * {@link conclude} compares the result with a signed checkpoint; before that nothing here is worth anything.
 *
 * Statements' signatures and admissions are not looked at: see `AdmissionReplay`.
 */
export class LogCheck {
  private readonly origin: string;
  private range: CompactRange;
  private lastSeal: Seal | undefined;
  private readonly startSize: bigint;

  /** `start` is the compact range of a tree that is known already; default: the empty one. */
  constructor(origin: string, start: CompactRange = emptyRange()) {
    this.origin = origin;
    this.range = start;
    this.startSize = start.size;
  }

  /** Entries so far. */
  get size(): bigint {
    return this.range.size;
  }

  /** What must be known of the tree to go on from here later. */
  get compactRange(): CompactRange {
    return this.range;
  }

  get root(): Hash {
    return rootOfRange(this.range);
  }

  /** The newest head so far: what dates the receipts of the entries before it. */
  get newestSeal(): Seal | undefined {
    return this.lastSeal;
  }

  /** Takes the next bundle, and returns those of its rows that are new. It must begin where the last one ended, or before. */
  add({ origin, first, rows, seals }: LogEvidence): CheckedRow[] {
    if (origin !== this.origin) {
      throw new AuditorFault('audit/other-log', `The evidence is of the log ${origin}, not of ${this.origin}.`);
    }
    if (first > this.size) {
      throw found('audit/missing-entry', this.size, `Entry ${this.size} is missing: the evidence goes on at ${first}.`);
    }
    const known = this.size;
    const checked = rows
      .map((row, position) => ({ row, index: first + BigInt(position) }))
      .filter(({ index }) => index >= known)
      .map(({ row, index }) => checkRow(row, index));
    const end = first + BigInt(rows.length);
    this.grow(
      checked,
      seals.filter(({ size }) => size > known),
      end,
    );
    return checked;
  }

  /** Throws unless all entries of the checkpoint were seen and lead to its root. */
  conclude(checkpoint: Checkpoint): void {
    const { size, root } = checkpoint;
    if (this.size !== size) {
      throw found('audit/missing-entry', this.size, `The checkpoint covers ${size} entries, ${this.size} are shown.`);
    }
    if (!areEqualBytes(this.root, root)) {
      throw new AuditorFault(
        'audit/wrong-root',
        `The checkpoint of ${size} entries signs the tree root ${encodeBase64(root)}; the entries lead to ${encodeBase64(this.root)}.`,
      );
    }
    if ((this.lastSeal?.size ?? this.startSize) !== size) {
      throw new AuditorFault(
        'audit/wrong-seal',
        `The checkpoint covers ${size} entries, and no head of that size is shown.`,
      );
    }
  }

  private grow(checked: readonly CheckedRow[], seals: readonly Seal[], end: bigint): void {
    let at = 0;
    const append = (upTo: bigint) => {
      const next = at + Number(upTo - this.size);
      this.range = appendLeaves(
        this.range,
        checked.slice(at, next).map(({ leafHash }) => leafHash),
      );
      at = next;
    };
    for (const seal of seals) {
      if (seal.size <= (this.lastSeal?.size ?? 0n) || seal.size > end) throw wrongSeal(seal, 'is out of order');
      const covered = checked.slice(at, at + Number(seal.size - this.size));
      append(seal.size);
      if (!areEqualBytes(this.root, seal.root)) {
        const roots = `${encodeBase64(seal.root)}; the entries lead to ${encodeBase64(this.root)}`;
        throw wrongSeal(seal, `has the tree root ${roots}`);
      }
      if (this.lastSeal && seal.committedAt < this.lastSeal.committedAt)
        throw wrongSeal(seal, 'is older than the last');
      const late = covered.find(({ row }) => row.registeredAt > seal.committedAt);
      if (late) throw wrongSeal(seal, `was committed before its entry ${late.index} was registered`);
      this.lastSeal = seal;
    }
    append(end > this.size ? end : this.size);
  }
}

function checkRow(row: EvidenceRow, index: bigint): CheckedRow {
  const { kind, entry, body } = row;
  if (kind === 'erased' || body === undefined) return { index, row, leaf: entry, leafHash: hashLeaf(entry) };
  if (kind === 'raw') {
    refuseOtherDigest(row, sha256(body), index);
    return { index, row, leaf: body, leafHash: hashLeaf(body) };
  }
  const statement = readStatement(row, body, index);
  refuseOtherFacts(row, statement, index);
  return { index, row, statement, leaf: entry, leafHash: hashLeaf(entry) };
}

function readStatement(row: EvidenceRow, body: Uint8Array, index: bigint): Statement {
  let statement: Statement;
  try {
    statement = parseStatement(body, { maxBytes: MAX_STATEMENT_BYTES });
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    refuseOtherDigest(row, sha256(body), index);
    throw found('audit/changed-statement', index, `Entry ${index} holds no statement: ${cause.message}`, cause);
  }
  // The entry is the digest of these bytes and no others: nothing may hide in the unprotected header.
  const digest = areEqualBytes(statement.stripped, body) ? statement.entry : sha256(body);
  refuseOtherDigest(row, digest, index);
  return { ...statement, chain: row.chain, ...(row.timestampToken && { timestampToken: row.timestampToken }) };
}

function refuseOtherDigest({ entry }: EvidenceRow, digest: Uint8Array, index: bigint): void {
  if (areEqualBytes(entry, digest)) return;
  const [logged, shown] = [encodeBase64Url(entry), encodeBase64Url(digest)];
  throw found(
    'audit/changed-statement',
    index,
    `Entry ${index} is ${logged}, and the statement shown for it is ${shown}.`,
  );
}

/** What search finds the entry by must be what the statement says. */
function refuseOtherFacts(row: EvidenceRow, statement: Statement, index: bigint): void {
  const { contentType, issuer, subject, x5t } = statement;
  refuseOther(index, 'content type', row.contentType, contentType);
  refuseOther(index, 'issuer', row.issuer, issuer);
  refuseOther(index, 'subject', row.subject, subject);
  if (x5t === undefined) return; // the registry's own statement: it chooses what it is found by
  refuseOther(index, 'certificate', row.certificate && encodeBase64(row.certificate), encodeBase64(x5t));
  const [leaf] = row.chain;
  if (leaf) refuseOther(index, 'chain', encodeBase64(sha256(leaf)), encodeBase64(x5t));
  if (contentType !== CONTENT.artifact && contentType !== CONTENT.release) return;
  const { applicationId, version, digests, references } = factsOf(statement, index);
  refuseOther(index, 'application id', row.applicationId, applicationId);
  refuseOther(index, 'version', row.version, version);
  refuseOther(index, 'mentions', row.mentions.join(' '), inOrder([...digests, ...references]).join(' '));
}

function factsOf(statement: Statement, index: bigint): ReturnType<typeof readFacts> {
  try {
    return readFacts(statement);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw found('audit/wrong-facts', index, `The payload of entry ${index} cannot be read: ${cause.message}`, cause);
  }
}

function inOrder(terms: readonly string[]): string[] {
  const unique = [...new Set(terms)];
  return unique.length < 2 ? unique : unique.sort((a, b) => compareBytes(encodeUtf8(a), encodeUtf8(b)));
}

function refuseOther(index: bigint, what: string, shown: string | undefined, stated: string | undefined): void {
  if (shown === stated) return;
  const message = `The log finds entry ${index} by the ${what} "${shown ?? ''}", and its statement says "${stated ?? ''}".`;
  throw found('audit/wrong-facts', index, message);
}

function wrongSeal({ size }: Seal, what: string): AuditorFault {
  return new AuditorFault('audit/wrong-seal', `The head of ${size} entries ${what}.`);
}

function found(code: AuditorFaultCode, index: bigint, message: string, cause?: unknown): AuditorFault {
  return new AuditorFault(code, message, { index, cause });
}

/** More than any policy admits. */
const MAX_STATEMENT_BYTES = 2 << 20;
