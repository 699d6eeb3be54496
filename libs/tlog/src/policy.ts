import { areEqualBytes, BytesFault, encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import { TlogFault } from './fault.ts';
import { parseNote } from './note.ts';
import {
  ED25519_COSIGNATURE,
  ED25519_NOTE,
  encodeVerifierKey,
  ML_DSA_44_COSIGNATURE,
  parseVerifierKey,
  type VerifierKey,
} from './verifier-key.ts';
import { verifyNote, type VerifyMlDsa44 } from './verify-note.ts';

/** Which logs to believe, and whose cosignatures make a checkpoint valid (C2SP tlog-policy). */
export interface Policy {
  readonly logs: readonly PolicyLog[];
  readonly witnesses: readonly PolicyWitness[];
  /** Each names only what stands before it. */
  readonly groups: readonly PolicyGroup[];
  /** Name of a witness or group; `undefined` asks for no cosignature. */
  readonly quorum: string | undefined;
}

export interface PolicyLog {
  /** Its name is the log's origin. */
  readonly key: VerifierKey;
  readonly url?: string;
}

export interface PolicyWitness {
  /** Means something within the policy only; the key has a name of its own. */
  readonly name: string;
  readonly key: VerifierKey;
  /** The submission prefix of C2SP tlog-witness. */
  readonly url?: string;
}

/** Has witnessed a checkpoint when at least `threshold` of its members have. */
export interface PolicyGroup {
  readonly name: string;
  readonly threshold: number;
  readonly members: readonly string[];
}

/** A checkpoint that a policy accepts. */
export interface WitnessedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** Those keys of the log that signed it. */
  readonly log: readonly VerifierKey[];
  /** Those witnesses of the policy that cosigned it. */
  readonly cosigners: readonly PolicyWitness[];
}

/**
 * Reads a policy file: at most 1 MiB, and 256 each of logs, witnesses and groups.
 *
 * Everything that the specification forbids is `tlog/bad-policy`, with the number of the line: a second quorum, a key
 * or name used twice, a group member that is unknown or belongs to another group already, a threshold above the number of
 * members, an unfinished last line. Names are compared byte by byte; a file that is not UTF-8 is refused.
 */
export function parsePolicy(bytes: Uint8Array): Policy {
  const reader = new PolicyReader();
  const lines = readLines(bytes);
  lines.forEach((line, i) =>
    reader.read(
      line.split(/[ \t]+/).filter((item) => item !== ''),
      i + 1,
    ),
  );
  return reader.end();
}

/** The bytes of a policy file that {@link parsePolicy} reads back as the same policy. */
export function encodePolicy({ logs, witnesses, groups, quorum }: Policy): Uint8Array {
  const vkey = ({ name, publicKey, type }: VerifierKey) => encodeVerifierKey(name, publicKey, type);
  const lines = [
    ...logs.map(({ key, url }) => ['log', vkey(key), ...(url === undefined ? [] : [url])]),
    ...witnesses.map(({ name, key, url }) => ['witness', name, vkey(key), ...(url === undefined ? [] : [url])]),
    ...groups.map(({ name, threshold, members }) => ['group', name, threshold.toString(), ...members]),
    ['quorum', quorum ?? NONE],
  ];
  const bytes = encodeUtf8(lines.map((items) => `${items.join(' ')}\n`).join(''));
  parsePolicy(bytes); // a name with a space would read as something else
  return bytes;
}

/** Whether the witnesses with these names are a quorum. */
export function isQuorum({ groups, quorum }: Policy, cosigners: Iterable<string>): boolean {
  if (quorum === undefined) return true;
  const witnessed = new Set(cosigners);
  for (const { name, threshold, members } of groups) {
    if (members.filter((member) => witnessed.has(member)).length >= threshold) witnessed.add(name);
  }
  return witnessed.has(quorum);
}

/**
 * Checks that one of the policy's logs signed the checkpoint and a quorum of its witnesses cosigned it.
 *
 * A wrong signature of a listed key refuses the note (`tlog/bad-signature`), one of another key is ignored. No log of the
 * policy signed: `tlog/unknown-signer`; too few cosignatures: `tlog/no-quorum`. How old cosignatures may be is the caller's rule.
 */
export function verifyWitnessed(note: Uint8Array, policy: Policy, verifyMlDsa44?: VerifyMlDsa44): WitnessedCheckpoint {
  const parsed = parseNote(note);
  const checkpoint = parseCheckpoint(parsed.text);
  const logKeys = policy.logs.map(({ key }) => key).filter(({ name }) => name === checkpoint.origin);
  if (logKeys.length === 0) throw new TlogFault('tlog/unknown-log', 'The policy does not list the log.');
  const signers = verifyNote(parsed, [...logKeys, ...policy.witnesses.map(({ key }) => key)], verifyMlDsa44);
  const log = logKeys.filter((key) => signers.includes(key));
  if (log.length === 0) throw new TlogFault('tlog/unknown-signer', 'The log did not sign the checkpoint.');
  const cosigners = policy.witnesses.filter(({ key }) => signers.includes(key));
  if (
    !isQuorum(
      policy,
      cosigners.map(({ name }) => name),
    )
  ) {
    throw new TlogFault('tlog/no-quorum', 'Too few witnesses cosigned the checkpoint.');
  }
  return { checkpoint, log, cosigners };
}

class PolicyReader {
  private readonly logs: PolicyLog[] = [];
  private readonly witnesses: PolicyWitness[] = [];
  private readonly groups: PolicyGroup[] = [];
  /** Names defined so far, and whether a group has them. */
  private readonly names = new Map<string, { isMember: boolean }>();
  private quorum: { name: string | undefined } | undefined;

  read(items: readonly string[], line: number): void {
    const [keyword, ...rest] = items;
    if (keyword === undefined || keyword.startsWith('#')) return;
    try {
      this.readItems(keyword, rest);
    } catch (cause) {
      if (!(cause instanceof TlogFault)) throw cause;
      throw new TlogFault('tlog/bad-policy', `Line ${line}: ${cause.message}`, { cause });
    }
  }

  end(): Policy {
    if (this.quorum === undefined) throw refused('A policy needs a line that begins with quorum.');
    return { logs: this.logs, witnesses: this.witnesses, groups: this.groups, quorum: this.quorum.name };
  }

  private readItems(keyword: string, items: readonly string[]): void {
    if (keyword === 'log') return this.readLog(items);
    if (keyword === 'witness') return this.readWitness(items);
    if (keyword === 'group') return this.readGroup(items);
    if (keyword === 'quorum') return this.readQuorum(items);
    throw refused('Expected log, witness, group or quorum.');
  }

  private readLog([vkey, url, ...rest]: readonly string[]): void {
    if (vkey === undefined || rest.length > 0) throw refused('Expected: log <vkey> [<url>]');
    const key = readKey(vkey, LOG_TYPES, this.logs);
    add(this.logs, { key, ...(url !== undefined && { url }) });
  }

  private readWitness([name, vkey, url, ...rest]: readonly string[]): void {
    if (name === undefined || vkey === undefined || rest.length > 0) {
      throw refused('Expected: witness <name> <vkey> [<url>]');
    }
    const key = readKey(vkey, WITNESS_TYPES, this.witnesses);
    this.define(name);
    add(this.witnesses, { name, key, ...(url !== undefined && { url }) });
  }

  private readGroup([name, threshold, ...members]: readonly string[]): void {
    if (name === undefined || threshold === undefined || members.length === 0) {
      throw refused('Expected: group <name> all|any|<k> <name>…');
    }
    for (const member of members) {
      const defined = this.names.get(member);
      if (!defined) throw refused(`${member} is not defined above.`);
      if (defined.isMember) throw refused(`${member} is a member of a group already.`);
      defined.isMember = true;
    }
    this.define(name);
    add(this.groups, { name, threshold: readThreshold(threshold, members.length), members });
  }

  private readQuorum([name, ...rest]: readonly string[]): void {
    if (name === undefined || rest.length > 0) throw refused('Expected: quorum <name>|none');
    if (this.quorum) throw refused('There is a quorum already.');
    if (name !== NONE && !this.names.has(name)) throw refused(`${name} is not defined above.`);
    this.quorum = { name: name === NONE ? undefined : name };
  }

  private define(name: string): void {
    if (name === NONE) throw refused('The name none means that no witness is asked for.');
    if (this.names.has(name)) throw refused(`${name} is defined already.`);
    this.names.set(name, { isMember: false });
  }
}

function readLines(bytes: Uint8Array): string[] {
  if (bytes.length > MAX_BYTES) throw refused(`A policy has at most ${MAX_BYTES} bytes.`);
  let text: string;
  try {
    text = parseUtf8(bytes);
  } catch (error) {
    if (error instanceof BytesFault) throw refused('A policy must be UTF-8 text.');
    throw error;
  }
  // eslint-disable-next-line no-control-regex -- these are the characters the format forbids
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) {
    throw refused('A policy has no control characters but tabs and line feeds.');
  }
  const lines = text.split('\n');
  if (lines.pop() !== '') throw refused('The last line has no line feed: is the file whole?');
  return lines;
}

function readKey(vkey: string, types: readonly number[], known: readonly { key: VerifierKey }[]): VerifierKey {
  const key = parseVerifierKey(vkey);
  if (!types.includes(key.type)) throw refused(`A key of type ${key.type} cannot sign this.`);
  if (known.some((other) => areEqualBytes(other.key.publicKey, key.publicKey)))
    throw refused('The key stands above already.');
  return key;
}

function readThreshold(text: string, members: number): number {
  if (text === 'any') return 1;
  if (text === 'all') return members;
  const threshold = /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : 0;
  if (threshold < 1 || threshold > members) throw refused(`The threshold must be all, any, or 1 to ${members}.`);
  return threshold;
}

function add<T>(list: T[], item: T): void {
  if (list.length >= MAX_ITEMS) throw refused(`A policy has at most ${MAX_ITEMS} of each kind.`);
  list.push(item);
}

function refused(message: string): TlogFault {
  return new TlogFault('tlog/bad-policy', message);
}

const NONE = 'none';
const LOG_TYPES = [ED25519_NOTE, ML_DSA_44_COSIGNATURE];
const WITNESS_TYPES = [ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE];
const MAX_BYTES = 1 << 20;
const MAX_ITEMS = 256;
