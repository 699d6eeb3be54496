/**
 * What an outsider makes of a registry that issues, revokes and publishes: walks its log leaf by leaf, reads every record, and holds
 * the tables and what is published against them. Throws at the first contradiction.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { parseHex } from '@margo-trust/bytes';
import { openRevocationFilter } from '@margo-trust/revocation-filter';
import { CONTENT, parseStatement } from '@margo-trust/statement';
import { REVOCATION_FILTER } from '@margo-trust/verifier';
import { parseCertificate, parseCrl, parsePem } from '@margo-trust/x509';
import { expect } from 'vitest';
import { bundlePath, checkCheckpoint, leafHash, readBundle, Tree } from './independent.mjs';

/** As the API shows it. */
export interface HandedOut {
  readonly serial: string;
  readonly fingerprint: string;
  readonly vendorId: string;
  /** PEM. */
  readonly certificate: string;
  readonly entryId: string;
}

type LoggedRecord = Readonly<Record<string, unknown>> & { readonly record: string; readonly entryId: string };
type Query = (sql: string) => Promise<Readonly<Record<string, unknown>>[]>;

const WIDTH = 256;

export class TrustJudge {
  private readonly tree = new Tree();
  private readonly records = new Map<string, LoggedRecord>();
  private readonly crls = new Map<
    string,
    { readonly number: bigint; readonly body: string; readonly serials: ReadonlySet<string> }
  >();
  private timestamp: { readonly version: number; readonly body: string } | undefined;
  private readonly url: string;
  private readonly query: Query;

  constructor(url: string, query: Query) {
    [this.url, this.query] = [url, query];
  }

  /** Everything that was handed out, and the serial numbers of everything that was revoked and must be published by now. */
  async hear(handedOut: readonly HandedOut[], published: readonly string[]): Promise<void> {
    await this.walk();
    await this.compareCertificates(handedOut);
    await this.compareRevocations();
    await this.poll(handedOut);
    await this.findEverywhere(handedOut, published);
  }

  /** The CRLs of these certificates, and the trust root: a number never comes twice, goes back, or loses an entry. */
  async poll(certificates: readonly HandedOut[]): Promise<void> {
    for (const path of new Set(certificates.map(crlPathOf))) {
      const body = await this.load(path);
      const { number = -1n, entries } = parseCrl(new Uint8Array(body));
      const [seen, serials] = [this.crls.get(path), new Set(entries.keys())];
      if (seen !== undefined && seen.body !== body.toString('hex')) {
        expect(number, `the number of ${path}`).toBeGreaterThan(seen.number);
        expect(
          [...seen.serials].filter((serial) => !serials.has(serial)),
          `what ${path} has dropped`,
        ).toEqual([]);
      }
      this.crls.set(path, { number, body: body.toString('hex'), serials });
    }
    const body = String(await this.load('/tuf/timestamp.json'));
    const { version } = (JSON.parse(body) as { signed: { version: number } }).signed;
    if (this.timestamp !== undefined && body !== this.timestamp.body)
      expect(version).toBeGreaterThan(this.timestamp.version);
    this.timestamp = { version, body };
  }

  /** Follows the published log to its end: leaves that are known stay, no entry comes twice, the root is the signed one. */
  private async walk(): Promise<void> {
    const { checkpointKey } = JSON.parse(String(await this.load('/log/log.json'))) as { checkpointKey: string };
    const { size, root } = checkCheckpoint(await this.load('/log/checkpoint'), checkpointKey);
    for (let first = this.tree.size - (this.tree.size % WIDTH); first < size; first += WIDTH) {
      const entries = readBundle(await this.load(bundlePath(first, size)));
      for (const [position, entry] of entries.entries()) {
        if (first + position < this.tree.size) expect(this.tree.leaf(first + position)).toEqual(leafHash(entry));
        else await this.append(entry);
      }
    }
    expect(this.tree.root(size)).toEqual(root);
  }

  private async append(entry: Buffer): Promise<void> {
    this.tree.append(leafHash(entry));
    const entryId = entry.toString('base64url');
    const statement = parseStatement(new Uint8Array(await this.load(`/entries/${entryId}/statement`)));
    expect(Buffer.from(statement.entry), 'what an entry is the digest of').toEqual(entry);
    if (statement.contentType !== CONTENT.record) return;
    expect(this.records.has(entryId), 'a record that comes twice').toBe(false);
    const payload = JSON.parse(new TextDecoder().decode(statement.payload)) as { record: string };
    this.records.set(entryId, { ...payload, entryId });
  }

  private async compareCertificates(handedOut: readonly HandedOut[]): Promise<void> {
    const announced = this.all('certificate-announced');
    const begun = await this.query('SELECT serial, entry_id, spki_sha256 FROM precertificate');
    expect(sorted(begun.map((row) => `${String(row['serial'])} ${String(row['entry_id'])}`))).toEqual(
      sorted(announced.map(({ serial, entryId }) => `${String(serial)} ${entryId}`)),
    );
    expect(new Set(begun.map(({ spki_sha256: key }) => (key as Buffer).toString('hex'))).size).toBe(begun.length);

    const issued = this.all('certificate-issued');
    const stored = await this.query('SELECT serial, entry_id, fingerprint, der FROM certificate');
    expect(
      sorted(stored.map((row) => `${String(row['serial'])} ${String(row['entry_id'])} ${hex(row['der'])}`)),
    ).toEqual(
      sorted(
        issued.map(
          ({ serial, entryId, certificate }) =>
            `${String(serial)} ${entryId} ${hex(Buffer.from(String(certificate), 'base64'))}`,
        ),
      ),
    );
    const orderOf = new Map([...this.records.keys()].map((entryId, order) => [entryId, order]));
    for (const { announced: before, serial, entryId } of issued) {
      expect(this.records.get(String(before)), 'the announcement of a certificate').toMatchObject({ serial });
      expect(orderOf.get(String(before))).toBeLessThan(orderOf.get(entryId) ?? -1);
    }
    for (const { serial, certificate, entryId } of handedOut) {
      const record = this.records.get(entryId);
      expect(record, `the record of ${serial}, which was handed out`).toMatchObject({
        record: 'certificate-issued',
        serial,
      });
      const der = new X509Certificate(certificate).raw;
      expect(Buffer.from(String(record?.['certificate']), 'base64')).toEqual(der);
      const again = JSON.parse(String(await this.load(`/api/v1/certificates/${serial}`))) as HandedOut;
      expect(again.certificate).toBe(certificate);
    }
  }

  private async compareRevocations(): Promise<void> {
    const rows = await this.query(`SELECT target, entry_id FROM revocation WHERE kind = 'certificate'`);
    const logged = [
      ...this.all('certificate-revoked').map(({ serial, entryId }) => `${String(serial)} ${entryId}`),
      ...this.all('certificates-revoked').flatMap(({ certificates, entryId }) =>
        (certificates as { serial: string }[]).map(({ serial }) => `${serial} ${entryId}`),
      ),
    ];
    expect(sorted(rows.map((row) => `${String(row['target'])} ${String(row['entry_id'])}`))).toEqual(sorted(logged));
  }

  /** What was revoked is in every output, and what was not is in none; and what is published of the trust root is on record. */
  private async findEverywhere(handedOut: readonly HandedOut[], published: readonly string[]): Promise<void> {
    const decided = new Set(
      (await this.query(`SELECT target FROM revocation WHERE kind = 'certificate'`)).map(({ target }) =>
        String(target),
      ),
    );
    const targets = await this.targets();
    const listed = new Set<string>();
    for (const name of Object.keys(targets).filter((one) => /^live\.revoked\.\w+\.json$/.test(one))) {
      const file = JSON.parse(String(await this.loadTarget(name, targets))) as { certificates: { serial: string }[] };
      for (const { serial } of file.certificates) listed.add(serial);
    }
    const filter = openRevocationFilter(new Uint8Array(await this.loadTarget(REVOCATION_FILTER, targets)));
    const feed = String(await this.load('/revocations/feed.json'));
    const last = published.slice(-20);
    for (const { serial } of handedOut.filter((one) => last.includes(one.serial))) {
      expect(feed.includes(serial), `${serial} in the feed`).toBe(true);
    }
    const issuer = await this.issuerKeyId();
    for (const one of handedOut) {
      const found = [
        this.crls.get(crlPathOf(one))?.serials.has(one.serial),
        listed.has(one.serial),
        filter.isRevoked(issuer, parseHex(one.serial)),
      ];
      if (published.includes(one.serial)) expect(found, one.serial).toEqual([true, true, true]);
      else if (!decided.has(one.serial)) expect(found, one.serial).toEqual([false, false, false]);
    }
  }

  private async issuerKeyId(): Promise<Uint8Array> {
    const { publicKey } = new X509Certificate(await this.load('/ca/issuing-1.crt'));
    return Uint8Array.from(
      createHash('sha256')
        .update(publicKey.export({ type: 'spki', format: 'der' }))
        .digest(),
    );
  }

  /** Follows timestamp and snapshot to the online targets by their digests. Each version is in the log. */
  private async targets(): Promise<Record<string, { hashes: { sha256: string } }>> {
    const timestamp = await this.load('/tuf/timestamp.json');
    const versions = JSON.parse(String(timestamp)) as { signed: { meta: { 'snapshot.json': { version: number } } } };
    const snapshot = await this.load(`/tuf/${versions.signed.meta['snapshot.json'].version}.snapshot.json`);
    const { meta } = (JSON.parse(String(snapshot)) as { signed: { meta: Record<string, { version: number }> } }).signed;
    const live = await this.load(`/tuf/${meta['live.json']?.version}.live.json`);
    await this.walk(); // the registry goes on meanwhile
    const recorded = this.all('tuf-published').flatMap(({ roles }) =>
      Object.values(roles as Record<string, { sha256: string }>).map(({ sha256 }) => sha256),
    );
    for (const file of [timestamp, snapshot, live])
      expect(recorded, 'the record of what is published').toContain(sha256(file));
    return (JSON.parse(String(live)) as { signed: { targets: Record<string, { hashes: { sha256: string } }> } }).signed
      .targets;
  }

  private async loadTarget(name: string, targets: Record<string, { hashes: { sha256: string } }>): Promise<Buffer> {
    const digest = targets[name]?.hashes.sha256 ?? '';
    const file = await this.load(`/tuf/targets/${digest}.${name}`);
    expect(sha256(file)).toBe(digest);
    return file;
  }

  private all(record: string): LoggedRecord[] {
    return [...this.records.values()].filter((one) => one.record === record);
  }

  private async load(path: string): Promise<Buffer> {
    const response = await fetch(`${this.url}${path}`);
    if (!response.ok) throw new Error(`${path} answers ${response.status}.`);
    return Buffer.from(await response.arrayBuffer());
  }
}

/** Where the CRL is that a certificate names. */
function crlPathOf({ certificate }: HandedOut): string {
  const [der] = parsePem('CERTIFICATE', certificate);
  const [url = ''] = parseCertificate(der ?? new Uint8Array()).crlUrls;
  return new URL(url).pathname;
}

const sorted = (lines: readonly string[]): string[] => [...lines].sort();
const hex = (bytes: unknown): string => (bytes as Buffer).toString('hex');
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
