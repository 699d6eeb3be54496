/**
 * Puts certificates that nobody signed into the database of a stopped service, and revocations of the first of them, as rows:
 * `node plant-certificates.mjs DATA_DIR ISSUED REVOKED`. Their bytes are none, but as long as those of real ones.
 */
import { openDatabase } from '../../apps/registry/dist/db/data-source.js';
import { startEmbeddedPostgres } from '../../apps/registry/dist/db/embedded-postgres.js';

/**
 * The filter reads so many at once, in the order of their records (trust-root/make-filter.ts). Here so many share the record of an
 * index, since the log has not grown by a million.
 */
const AT_ONCE = 10_000;
const [dataDir, issued, revoked] = process.argv.slice(2);

const postgres = await startEmbeddedPostgres({ stateDirectory: dataDir, onLost: () => process.exit(1) });
const source = await openDatabase(postgres);
try {
  const [{ vendor }] = await source.query(`SELECT id AS vendor FROM vendor WHERE status = 'active' LIMIT 1`);
  const [{ size }] = await source.query('SELECT size FROM log_head WHERE log_id = 1');
  const [{ before }] = await source.query('SELECT count(*) AS before FROM certificate');
  const serial = `'40' || substr(encode(sha256(convert_to('certificate ' || n, 'UTF8')), 'hex'), 1, 30)`;
  await source.query(
    `INSERT INTO certificate (serial, fingerprint, spki_sha256, vendor_id, issuer, shard, der, not_before, not_after, log_index,
                              entry_id, issued_at, assurance)
     SELECT serial, sha256(decode(serial, 'hex')), sha256(decode('00' || serial, 'hex')), $2, 'issuing-1',
            get_byte(decode(serial, 'hex'), 15) % 128, decode(repeat(serial || serial, 30), 'hex'), now(), now() + interval '1 year',
            $3::bigint + (n + $4::int) / ${AT_ONCE}, 'planted', now(), 'software'
     FROM (SELECT n, ${serial} AS serial FROM generate_series(0, $1::int - 1) AS s (n)) AS planted`,
    [issued, vendor, size, before],
  );
  await source.query(
    `INSERT INTO revocation (sequence, kind, target, serial, reason, revoked_at, approvals, log_index, entry_id)
     SELECT (SELECT coalesce(max(sequence), 0) FROM revocation) + n + 1, 'certificate', ${serial}, ${serial}, 'keyCompromise',
            date_trunc('second', now()), 1, 1, 'planted'
     FROM generate_series(0, $1::int - 1) AS s (n)`,
    [revoked],
  );
  await source.query('VACUUM ANALYZE certificate, revocation');
} finally {
  await source.destroy();
  await postgres.stop();
}
