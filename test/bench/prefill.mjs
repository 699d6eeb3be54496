/**
 * Puts entries into the log of a stopped service, as the sequencer does but without HTTP and signatures:
 * `node prefill.mjs DATA_DIR (--to SIZE | --more COUNT) [--batch 1024]`. Prints one line of JSON: how many a second, durably,
 * on one connection.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { openDatabase } from '../../apps/registry/dist/db/data-source.js';
import { Db } from '../../apps/registry/dist/db/db.js';
import { startEmbeddedPostgres } from '../../apps/registry/dist/db/embedded-postgres.js';
import { appendEntries } from '../../apps/registry/dist/log/append-entries.js';
import { LogStore } from '../../apps/registry/dist/log/log.store.js';
import { SystemRandom } from '../../apps/registry/dist/random.js';

const LOG = 1;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { to: { type: 'string' }, more: { type: 'string' }, batch: { type: 'string', default: '1024' } },
});
const [dataDir] = positionals;
const batch = Number(values.batch);

const postgres = await startEmbeddedPostgres({ stateDirectory: dataDir, onLost: () => process.exit(1) });
const source = await openDatabase(postgres);
try {
  const db = new Db(source);
  const store = new LogStore(new SystemRandom(), db);
  const sample = await findSample(db);
  const count = values.to === undefined ? Number(values.more) : Math.max(0, Number(values.to) - (await loadSize(db)));
  const begin = performance.now();
  for (let done = 0; done < count; done += batch) {
    const entries = Array.from({ length: Math.min(batch, count - done) }, () => vary(sample));
    await db.transaction((tx) => appendEntries(tx, store, LOG, entries, new Date()));
  }
  const seconds = (performance.now() - begin) / 1_000;
  console.log(JSON.stringify({ perSecond: count / seconds, size: await loadSize(db) }));
} finally {
  await source.destroy();
  await postgres.stop();
}

async function loadSize(db) {
  const [{ size }] = await db.query('SELECT size FROM log_head WHERE log_id = $1', [LOG]);
  return Number(size);
}

/** The demonstration's last artifact signature: what all the others look like. */
async function findSample(db) {
  const [row] = await db.query(
    `SELECT e.*, s.body, s.chain_id, c.certificates FROM log_entry e JOIN statement s USING (entry)
       JOIN certificate_chain c ON c.id = s.chain_id
     WHERE content_type = 'application/vnd.cncf.notary.payload.v1+json' ORDER BY index DESC LIMIT 1`,
  );
  if (row === undefined) throw new Error('The story has to be played first.');
  return {
    body: row.body,
    chain: row.certificates,
    chainId: row.chain_id,
    contentType: row.content_type,
    issuer: row.issuer,
    vendorId: row.vendor_id,
    certificate: row.certificate,
  };
}

/** Another entry of the same size. Its body is random from the middle on; nobody verifies it here. */
function vary(sample) {
  const digest = `sha256:${randomBytes(32).toString('hex')}`;
  const body = Buffer.from(sample.body);
  randomBytes(64).copy(body, body.length - 64);
  return { ...sample, entry: randomBytes(32), body, subject: `oci:image:${digest}`, mentions: [digest] };
}
