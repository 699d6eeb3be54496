/**
 * The judge: another process, with code of its own, that keeps every acknowledgement and every checkpoint ever served, and
 * holds the registry against them. It pins the log's keys when it is told the registry's address and never asks again.
 *
 * Reads one JSON object a line: `{ pin: url }`, `{ acknowledged: { entry, receipt } }` and `{ checkpoint }` (base64), in the
 * order in which they came from the registry; `{ audit: url, whole }`. Answers `pin` and `audit` with a line each. What it
 * was told is also appended to the files of its directory, so that a failed run can be looked at.
 */
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundlePath, checkCheckpoint, checkReceipt, leafHash, readBundle, readKeys, Tree } from '../independent.mjs';

const ASKED_AGAIN = 20;
const COVERED_WITHIN_MS = 20_000;

const directory = process.argv[2];
const files = {
  acknowledged: createWriteStream(join(directory, 'acknowledged.ndjson'), { flags: 'a' }),
  checkpoint: createWriteStream(join(directory, 'checkpoints.ndjson'), { flags: 'a' }),
};

let keys;
let verifierKey;
let tree = new Tree();
/** Hex of an entry to its index: none may be in the log twice. */
let indexes = new Map();
const acknowledged = [];
const checkpoints = [];
let unaudited = { acknowledged: 0, checkpoints: 0 };
let newest = 0;
const faults = [];

for await (const line of createInterface(process.stdin)) {
  const told = JSON.parse(line);
  if (told.pin) await answer(pin(told.pin));
  else if (told.audit) await answer(audit(told.audit, told.whole));
  else if (told.acknowledged) note('acknowledged', line, () => hearAcknowledgement(told.acknowledged));
  else if (told.checkpoint) note('checkpoint', line, () => hearCheckpoint(told.checkpoint));
}

async function answer(work) {
  const result = await work.catch((error) => ({ stopped: String(error.cause ?? error) }));
  process.stdout.write(`${JSON.stringify({ ...result, faults: faults.slice(0, 20), found: faults.length })}\n`);
}

function note(kind, line, hear) {
  files[kind].write(`${line}\n`);
  try {
    hear();
  } catch (error) {
    faults.push(`${kind}: ${error.message}`);
  }
}

async function pin(url) {
  keys = readKeys(await load(`${url}/.well-known/scitt-keys`));
  verifierKey = JSON.parse((await load(`${url}/log/log.json`)).toString()).checkpointKey;
  return {};
}

function hearAcknowledgement({ entry, receipt }) {
  const bytes = Buffer.from(entry, 'base64');
  acknowledged.push({ entry: bytes, ...checkReceipt(Buffer.from(receipt, 'base64'), bytes, keys) });
}

function hearCheckpoint(note) {
  const seen = checkCheckpoint(Buffer.from(note, 'base64'), verifierKey);
  if (seen.size < newest) throw new Error(`the log went back from ${newest} entries to ${seen.size}`);
  newest = seen.size;
  checkpoints.push(seen);
}

/** Holds everything heard since the last audit against the log as it is now; `whole` begins anew, from its first entry. */
async function audit(url, whole) {
  const current = await loadCoveringCheckpoint(url);
  if (current.size < newest) faults.push(`the log went back from ${newest} entries to ${current.size}`);
  if (whole) {
    tree = new Tree();
    indexes = new Map();
    unaudited = { acknowledged: 0, checkpoints: 0 };
  }
  await grow(url, current.size);
  expectRoot(current, 'the newest checkpoint');
  for (const { entry, index, size, root } of acknowledged.slice(unaudited.acknowledged)) {
    const what = `acknowledged entry ${entry.toString('hex').slice(0, 16)}`;
    if (size > tree.size) faults.push(`${what} is lost: its receipt is of ${size} entries, the log has ${tree.size}`);
    else if (!tree.leaf(index).equals(leafHash(entry))) faults.push(`${what} is not at its index ${index}`);
    else expectRoot({ size, root }, `the receipt of ${what}`);
  }
  for (const seen of checkpoints.slice(unaudited.checkpoints)) expectRoot(seen, 'a checkpoint');
  unaudited = { acknowledged: acknowledged.length, checkpoints: checkpoints.length };
  await askAgain(url);
  return { acknowledged: acknowledged.length, checkpoints: checkpoints.length, size: tree.size };
}

/**
 * The checkpoint, waited for until it covers all that was acknowledged. While the database does not answer, the log shows the
 * last one that it has signed, which is older and no less true; what is not under it in the end is lost.
 */
async function loadCoveringCheckpoint(url) {
  const wanted = acknowledged.reduce((most, { size }) => Math.max(most, size), 0);
  const deadline = performance.now() + COVERED_WITHIN_MS;
  for (;;) {
    const current = checkCheckpoint(await load(`${url}/log/checkpoint`), verifierKey);
    if (current.size >= wanted || performance.now() > deadline) return current;
    await sleep(100);
  }
}

async function grow(url, size) {
  for (let first = tree.size - (tree.size % 256); first < size; first += 256) {
    const entries = readBundle(await load(`${url}${bundlePath(first, size)}`));
    if (entries.length !== Math.min(256, size - first)) faults.push(`the bundle from entry ${first} has a gap`);
    for (const [position, entry] of entries.entries()) {
      const index = first + position;
      if (index < tree.size) {
        if (!tree.leaf(index).equals(leafHash(entry))) faults.push(`entry ${index} is another one than before`);
        continue;
      }
      const name = entry.toString('hex');
      if (indexes.has(name)) faults.push(`entry ${index} is entry ${indexes.get(name)} again`);
      indexes.set(name, index);
      tree.append(leafHash(entry));
    }
  }
}

function expectRoot({ size, root }, what) {
  if (size > tree.size) faults.push(`${what} is of ${size} entries, the log has ${tree.size}`);
  else if (!tree.root(size).equals(root)) faults.push(`fork: ${what} of ${size} entries has another root`);
}

/** Receipts asked for again say what they said at first. */
async function askAgain(url) {
  const step = Math.max(1, Math.ceil(acknowledged.length / ASKED_AGAIN));
  for (let i = 0; i < acknowledged.length; i += step) {
    const { entry, index, size } = acknowledged[i];
    const again = checkReceipt(await load(`${url}/entries/${entry.toString('base64url')}`), entry, keys);
    if (again.index !== index || again.size !== size) faults.push(`the receipt of entry ${index} has changed`);
  }
}

async function load(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  if (!response.ok) throw new Error(`GET ${url} answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}
