import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { encodeEvidence, evidencePath, LogCheck, TileBuilder } from '@margo-trust/auditor';
import { encodeUtf8 } from '@margo-trust/bytes';
import { coseKeyThumbprint } from '@margo-trust/cose';
import { encodeRegistrationPolicy, FOUNDING_POLICY } from '@margo-trust/policy';
import {
  CONTENT,
  draftArtifactStatement,
  draftStatement,
  encodeJsonPayload,
  finishStatement,
  parseStatement,
} from '@margo-trust/statement';
import { World } from '@margo-trust/testkit';
import {
  bundlePath,
  encodeCheckpoint,
  encodeEntryBundle,
  encodeNote,
  encodeVerifierKey,
  parseVerifierKey,
  tilePath,
} from '@margo-trust/tlog';

const root = join(import.meta.dirname, '../..');
/** One transaction each, as under load. */
const BATCH = 1_024;

/**
 * What an auditor waits for, on a mirror of a log of `AUDIT_ENTRIES` entries (default 100,000) of about 1.2 kB: `log fsck`
 * and `log rebuild` as programs of their own, start included. The statements' signatures are random: fsck without
 * `--signatures` does not look at them.
 */
export async function measureAudits() {
  const entries = Number(process.env.AUDIT_ENTRIES ?? 100_000);
  const directory = await mkdtemp(join(tmpdir(), 'margo-audit-'));
  try {
    const logKey = writeMirror(join(directory, 'mirror'), entries);
    const at = ['--from', join(directory, 'mirror'), '--log-key', logKey];
    const env = { ...process.env, DATA_DIR: join(directory, 'data') };
    const rows = [];
    for (const command of ['fsck', 'rebuild']) {
      const seconds = await timed([join(root, 'apps/cli/bin/margo-trust.mjs'), 'log', command, ...at], env);
      const rate = Math.round(entries / seconds).toLocaleString('en');
      rows.push([`log ${command} of ${entries.toLocaleString('en')} entries`, `${seconds.toFixed(1)} s, ${rate}/s`]);
    }
    return rows;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function timed(args, env) {
  const begun = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'], env });
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}.`);
  return (performance.now() - begun) / 1000;
}

/** Returns the log's key. */
function writeMirror(mirror, entries) {
  const world = new World();
  const vendors = Array.from({ length: 20 }, (_, n) => world.vendor(`01jx${String(n).padStart(22, '0')}`));
  const { record, checkpoint: signer } = world.keys;
  const vkey = encodeVerifierKey(world.origin, signer.publicKey.spki.slice(12));
  const key = parseVerifierKey(vkey);
  const [check, builder] = [new LogCheck(world.origin), new TileBuilder()];
  const write = (path, bytes) => {
    mkdirSync(dirname(join(mirror, path)), { recursive: true });
    writeFileSync(join(mirror, path), bytes);
  };

  const own = (contentType, payload) => {
    const signed = { algorithm: 'ES256', issuer: world.registry, subject: contentType, contentType, payload };
    const draft = draftStatement({
      ...signed,
      issuedAt: world.now,
      signer: { kid: coseKeyThumbprint(record.publicKey) },
    });
    return finishStatement(draft, record.sign(draft.toBeSigned, 'ES256'));
  };
  const opening = [
    own(CONTENT.policy, encodeRegistrationPolicy(FOUNDING_POLICY)),
    own(CONTENT.anchors, encodeJsonPayload(world.trustRootTarget())),
  ];
  const vendorStatement = (n) => {
    const vendor = vendors[n % vendors.length];
    const digest = `sha256:${createHash('sha256').update(String(n)).digest('hex')}`;
    const annotations = {
      'org.margo.trust.reference': `registry.example/acme/app:${n}`,
      'org.opencontainers.image.description': 'x'.repeat(600),
    };
    const target = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 7, annotations };
    const draft = draftArtifactStatement({
      ...{ algorithm: 'ES256', issuer: vendor.uri, subject: `oci:image:${digest}`, target },
      ...{ signingTime: world.now, leafDer: vendor.certificate.der },
    });
    return {
      vendor,
      reference: annotations['org.margo.trust.reference'],
      digest,
      bytes: finishStatement(draft, randomBytes(64)),
    };
  };
  const rowOf = (n) => {
    const { vendor, bytes, digest, reference } = n < 2 ? { bytes: opening[n] } : vendorStatement(n);
    const { entry, stripped: body, contentType, issuer, subject, x5t } = parseStatement(bytes);
    const row = { kind: 'statement', entry, body, registeredAt: world.now, contentType, issuer, subject };
    if (!vendor) return { ...row, chain: [], mentions: [] };
    return { ...row, vendorId: vendor.id, certificate: x5t, chain: vendor.chain, mentions: [reference, digest].sort() };
  };

  for (let first = 0; first < entries; first += 256) {
    const rows = Array.from({ length: Math.min(256, entries - first) }, (_, n) => rowOf(first + n));
    const end = first + rows.length;
    const evidence = { origin: world.origin, first: BigInt(first), rows, seals: [] };
    const checked = sealed(check, evidence, end % BATCH === 0 || end === entries ? BigInt(end) : undefined, world.now);
    const index = BigInt(first / 256);
    write(evidencePath(index, rows.length), encodeEvidence(checked.evidence));
    write(bundlePath(index, rows.length), encodeEntryBundle(rows.map(({ entry }) => entry)));
    for (const { ref, bytes } of builder.add(checked.leaves)) write(tilePath(ref), bytes);
  }
  for (const { ref, bytes } of builder.partial()) write(tilePath(ref), bytes);
  const text = encodeCheckpoint({ origin: world.origin, size: BigInt(entries), root: check.root, extensions: [] });
  const signature = signer.sign(encodeUtf8(text), 'Ed25519');
  write('checkpoint', encodeNote({ text, signatures: [{ name: key.name, keyHash: key.keyHash, signature }] }));
  return vkey;
}

/** The bundle with a seal at its end, if there is to be one. */
function sealed(check, evidence, size, committedAt) {
  const leaves = check.add(evidence).map(({ leafHash }) => leafHash);
  if (size === undefined) return { evidence, leaves };
  return { evidence: { ...evidence, seals: [{ size, root: check.root, committedAt }] }, leaves };
}
