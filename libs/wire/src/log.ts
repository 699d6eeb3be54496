import { ChoiceField, IntegerField, ObjectField, ObjectsField, TextField, TextsField, TimeField } from './fields.ts';

/** The log at a glance. Proofs start from /log/checkpoint, never from this. */
export class LogSummary {
  @TextField({ max: 253, description: 'Name of the log in checkpoints and receipts.' })
  origin: string;

  @TextField({ max: 20, description: 'Number of entries, decimal.' })
  size: string;

  @TextField({ max: 44, description: 'Tree root, base64.' })
  root: string;

  @TimeField({ description: 'When the newest entry was committed.' })
  committedAt: string;

  @TextField({ max: 500, description: 'Key of the checkpoint’s signature (C2SP vkey).' })
  checkpointKey: string;
}

/** What the log's index knows of an entry. The statement says the same under signature. */
export class LogEntry {
  @TextField({ max: 20, description: 'Leaf index, decimal, counted from 0.' })
  index: string;

  @TextField({
    max: 43,
    description: 'SHA-256 of the statement without its unprotected header, or of the leaf; base64url.',
  })
  entryId: string;

  @TextField({ max: 255, description: 'What is said.' })
  contentType: string;

  @TextField({ max: 2100, description: 'Who says it.' })
  issuer: string;

  @TextField({ max: 512, description: 'What it is said about.' })
  subject: string;

  @TimeField()
  registeredAt: string;

  @TextField({ max: 26, optional: true })
  vendorId?: string;

  @TextField({ max: 200, optional: true })
  applicationId?: string;

  @TextField({ max: 128, optional: true })
  version?: string;

  @TextField({ max: 64, optional: true, description: 'SHA-256 of the signing or spoken-of certificate, hex.' })
  certificateFingerprint?: string;

  @TextsField({
    max: 44,
    maxItems: 64,
    optional: true,
    description: 'From the leaf’s sibling upwards, base64: the entry is in the tree of the page’s checkpoint.',
  })
  inclusionPath?: string[];
}

export const WITHHOLDINGS = ['restricted', 'erased'] as const;

/** Why the public does not get a statement. */
export class Withheld {
  @ChoiceField(WITHHOLDINGS, {
    description: 'Restricted: for its vendor and governance. Erased: for nobody, for good.',
  })
  kind: (typeof WITHHOLDINGS)[number];

  @TextField({ max: 2000 })
  reason: string;

  @TextField({ max: 43, description: 'EntryID of the record of the decision.' })
  recordEntryId: string;

  @TimeField()
  at: string;
}

export class WithholdingRequest {
  @TextField({ max: 2000, description: 'Why; goes on record, so it must not repeat what is withheld.' })
  reason: string;
}

export class WithholdingState {
  @TextField({ max: 43 })
  entryId: string;

  @TextField({ max: 20 })
  index: string;

  @ObjectField(() => Withheld, { optional: true, description: 'Absent when everybody may read the statement.' })
  withheld?: Withheld;
}

export class ErasureDecision extends WithholdingState {
  @IntegerField({ min: 1, max: 2, description: 'Of two that it takes.' })
  votes: number;
}

/** By what a vendor's statement was admitted: everything else is in the log below its index. */
export class Admission {
  @TextField({ max: 20, description: 'Index of the registration policy.' })
  policyIndex: string;

  @TextField({ max: 20, description: 'Index of the trust anchors.' })
  anchorsIndex: string;

  @TextField({
    max: 43,
    optional: true,
    description: 'EntryID of the record that admitted the vendor with its claims.',
  })
  vendorRecordEntryId?: string;

  @TextField({ max: 43, optional: true, description: 'EntryID of the record that the certificate was issued.' })
  certificateRecordEntryId?: string;

  @TextField({
    max: 43,
    optional: true,
    description:
      'EntryID of the record that registered the vendor’s own CA, where that one has issued the certificate.',
  })
  anchorRecordEntryId?: string;
}

/** One entry with its evidence. */
export class LogEntryDetail extends LogEntry {
  @TextField({
    max: 2_000_000,
    optional: true,
    description: 'The Transparent Statement (statement, chain, time-stamp, receipt), base64. Absent when withheld.',
  })
  statement?: string;

  @TextField({
    max: 100_000,
    optional: true,
    description: 'The leaf, base64, where it is no statement: JSON that a Sigstore tool logged (hashedrekord 0.0.2).',
  })
  leaf?: string;
  @ObjectField(() => Withheld, { optional: true })
  withheld?: Withheld;

  @ObjectField(() => Admission, { optional: true, description: 'Of vendors’ statements.' })
  admission?: Admission;
}

export class LogEntryPage {
  @ObjectsField(() => LogEntry)
  items: LogEntry[];

  @TextField({ max: 200, optional: true, description: 'Cursor of the next page; absent on the last one.' })
  next?: string;

  @TextField({
    max: 100_000,
    optional: true,
    description: 'Signed note (C2SP tlog-checkpoint) that the paths lead to.',
  })
  checkpoint?: string;
}

/** The next entries for somebody who follows the log, oldest first. */
export class LogFeedPage {
  @ObjectsField(() => LogEntry)
  items: LogEntry[];

  @TextField({
    max: 20,
    optional: true,
    description:
      'Everything up to this index has been looked through: give it back as `after`. Absent in an empty log.',
  })
  after?: string;
}

/** An entry in a complete answer. */
export class CompleteEntry extends LogEntry {
  @TextField({ max: 90_000, optional: true, description: 'The leaf, base64, where it is not the EntryID’s 32 bytes.' })
  leaf?: string;
}

/** What lies at the end of the way to a key. */
export class IndexLeaf {
  @TextField({ max: 44, description: 'Place of the key in the map, base64.' })
  key: string;

  @TextField({ max: 20, description: 'How many entries it has, decimal.' })
  count: string;

  @TextField({ max: 44, description: 'Hash chain over them, base64.' })
  chain: string;
}

/** What the map says of a key: the hashes beside the way to it, from the root downwards, and what lies at its end. */
export class IndexProof {
  @TextsField({ max: 44, maxItems: 256 })
  siblings: string[];

  @ObjectField(() => IndexLeaf, { optional: true })
  leaf?: IndexLeaf;
}

/** A page of everything that the log holds about a key. All but the items and their place is on the first page only. */
export class CompleteAnswer {
  @TextField({ max: 220, description: 'Kind and value: `vendor:<id>` and so on.' })
  key: string;

  @TextField({ max: 20, optional: true, description: 'The answer is complete for the entries below this index.' })
  size?: string;

  @TextField({ max: 20, optional: true, description: 'Entries of the key among them.' })
  count?: string;

  @ObjectField(() => IndexProof, { optional: true })
  proof?: IndexProof;

  @TextField({
    max: 100_000,
    optional: true,
    description: 'The registry’s record of the map’s root: a Transparent Statement, base64.',
  })
  record?: string;

  @TextField({ max: 20, optional: true, description: 'Index of that record.' })
  recordIndex?: string;

  @TextField({ max: 20, description: 'Size of the tree that inclusion paths lead to: that of the record’s receipt.' })
  treeSize: string;

  @TextField({ max: 20, description: 'Entries of the key before the oldest item of this page.' })
  position: string;

  @TextField({ max: 44, description: 'Hash chain over those, base64.' })
  before: string;

  @ObjectsField(() => CompleteEntry)
  items: CompleteEntry[];

  @TextField({ max: 40, optional: true, description: 'Cursor of the next page; absent on the last one.' })
  next?: string;
}

/** How many items a page may have. */
export const PAGE_LIMIT = { initial: 50, max: 200 } as const;
