/**
 * A small verifier of logs that shares no code with the product: RFC 9942, RFC 9162 and C2SP's checkpoints and tiles by
 * hand over `cborg` and node:crypto. Our own code agreeing with itself would prove little.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { decode, encode } from 'cborg';

const tags = Object.fromEntries([18, 1].map((tag) => [tag, (content) => content()]));
const options = { useMaps: true, tags };

/** The keys of /.well-known/scitt-keys by kid in hex. */
export function readKeys(keySet) {
  return new Map(
    decode(keySet, options).map((key) => {
      const [x, y] = [key.get(-2), key.get(-3)].map((part) => Buffer.from(part).toString('base64url'));
      const jwk = { kty: 'EC', crv: 'P-256', x, y };
      return [Buffer.from(key.get(2)).toString('hex'), createPublicKey({ key: jwk, format: 'jwk' })];
    }),
  );
}

/** Checks a receipt for the statement whose SHA-256 without unprotected header is `entry`; throws when it does not hold. */
export function checkReceipt(receipt, entry, keys) {
  const [protectedBytes, unprotected, payload, signature] = decode(receipt, options);
  if (payload !== null) throw new Error('The payload of a receipt is detached.');
  const header = decode(protectedBytes, options);
  if (header.get(1) !== -7 || header.get(395) !== 1) throw new Error('Not an ES256 receipt over an RFC 9162 tree.');
  const proofs = unprotected.get(396).get(-1);
  const [size, index, path] = decode(proofs[0], options);
  const root = rootOf(leafHash(entry), index, size, path);
  const key = keys.get(Buffer.from(header.get(4)).toString('hex'));
  const signed = encode(['Signature1', protectedBytes, new Uint8Array(), root]);
  if (!key || !verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature)) {
    throw new Error('The signature of the receipt does not verify.');
  }
  return { size, index, root };
}

/** Checks the log's own signature on a checkpoint (C2SP signed-note, Ed25519) and reads it. */
export function checkCheckpoint(note, verifierKey) {
  const [name, , encoded] = verifierKey.split(/\+(?=[0-9a-f]{8}\+)|(?<=\+[0-9a-f]{8})\+/);
  const raw = Buffer.from(encoded, 'base64').subarray(1);
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: raw.toString('base64url') },
    format: 'jwk',
  });
  const text = Buffer.from(note).toString('utf8');
  const [body, signatures] = [
    text.slice(0, text.lastIndexOf('\n\n') + 1),
    text.slice(text.lastIndexOf('\n\n') + 2).split('\n'),
  ];
  const isSigned = signatures
    .filter((line) => line.startsWith(`— ${name} `))
    .map((line) => Buffer.from(line.split(' ')[2], 'base64').subarray(4))
    .some((signature) => signature.length === 64 && verify(null, Buffer.from(body), key, signature));
  if (!isSigned) throw new Error('The checkpoint does not carry the signature of its log.');
  const [origin, size, root] = body.split('\n');
  if (origin !== name) throw new Error(`The checkpoint is of ${origin}.`);
  return { size: Number(size), root: Buffer.from(root, 'base64') };
}

export function leafHash(entry) {
  return createHash('sha256').update(Buffer.of(0)).update(entry).digest();
}

/** Where the bundle of 256 entries that begins with entry `first` lies, when the log has `size` entries (C2SP tlog-tiles). */
export function bundlePath(first, size) {
  const width = Math.min(256, size - first);
  let index = first / 256;
  let path = String(index % 1000).padStart(3, '0');
  while (index >= 1000) {
    index = Math.floor(index / 1000);
    path = `x${String(index % 1000).padStart(3, '0')}/${path}`;
  }
  return `/log/tile/entries/${path}${width === 256 ? '' : `.p/${width}`}`;
}

/** The entries of a bundle: each a big-endian length of two bytes, then as many bytes. */
export function readBundle(bundle) {
  const entries = [];
  for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at)) {
    entries.push(bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at)));
  }
  return entries;
}

/** A tree that grows leaf by leaf and tells the root of any size that it has had. */
export class Tree {
  /** Hashes of all perfect subtrees, level by level, 32 bytes each. */
  levels = [];
  size = 0;

  append(leaf) {
    this.put(0, this.size, leaf);
    let hash = leaf;
    for (let level = 0, index = this.size; index % 2 === 1; level += 1, index = (index - 1) / 2) {
      hash = node(this.at(level, index - 1), hash);
      this.put(level + 1, (index - 1) / 2, hash);
    }
    this.size += 1;
  }

  leaf(index) {
    if (index >= this.size) throw new Error(`There is no leaf ${index} in a tree of ${this.size}.`);
    return this.at(0, index);
  }

  root(size) {
    if (size > this.size || size < 1) throw new Error(`A tree of ${this.size} leaves never had ${size}.`);
    const parts = [];
    for (let level = this.levels.length - 1, start = 0; level >= 0; level -= 1) {
      const width = 2 ** level;
      if (size - start < width) continue;
      parts.push(this.at(level, start / width));
      start += width;
    }
    return parts.reduceRight((right, left) => node(left, right));
  }

  at(level, index) {
    return this.levels[level].subarray(index * 32, index * 32 + 32);
  }

  put(level, index, hash) {
    const hashes = (this.levels[level] ??= Buffer.alloc(32 * 1024));
    if (hashes.length <= index * 32) this.levels[level] = Buffer.concat([hashes, Buffer.alloc(hashes.length)]);
    hash.copy(this.levels[level], index * 32);
  }
}

/** Recursive definition of RFC 9162 §2.1.3.1, read backwards. */
function rootOf(leaf, index, size, path) {
  if (size === 1) {
    if (path.length > 0) throw new Error('The path is too long.');
    return leaf;
  }
  const sibling = path.at(-1);
  if (!sibling) throw new Error('The path is too short.');
  let left = 1;
  while (left * 2 < size) left *= 2;
  const rest = path.slice(0, -1);
  return index < left
    ? node(rootOf(leaf, index, left, rest), sibling)
    : node(sibling, rootOf(leaf, index - left, size - left, rest));
}

function node(left, right) {
  return createHash('sha256').update(Buffer.of(1)).update(left).update(right).digest();
}
