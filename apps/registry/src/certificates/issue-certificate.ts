import { Injectable } from '@nestjs/common';
import { encodeBase64, encodeHex, parseHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import type { Certificate } from '@margo-trust/x509';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import { Clock } from '../clock.ts';
import { attempt, Batches, Failed } from '../db/batches.ts';
import { type Committed, Db, type Tx } from '../db/db.ts';
import { AppendRecord, type LoggedRecord, type RegistryRecord } from '../log/append-record.ts';
import { VendorReader } from '../vendors/vendor.reader.ts';
import { TrustSteps } from '../trust-steps.ts';
import { wireTime } from '../wire-time.ts';
import type { CertificateOrder } from './certificate-order.ts';
import { CertificateFault } from './certificate.fault.ts';
import {
  type AuthorityName,
  CertificateReader,
  type IssuedCertificate,
  type Precertificate,
} from './certificate.reader.ts';
import { CertificateStore, type NewCertificate, type UsedKey } from './certificate.store.ts';
import { type LeafDraft, shardOf, SignLeaf } from './sign-leaf.ts';

/** A transaction of so many takes a moment; and whoever waits behind it waits no longer than that. */
const MAX_BATCH = 64;

/** An order, and what is committed of it. */
interface Announced {
  readonly order: CertificateOrder;
  readonly logged: Committed<Precertificate>;
}

/**
 * Issues a signing certificate to an active vendor, as ordered. Who may order one is for the callers to know: RequestCertificate,
 * and ExchangeToken for builds.
 *
 * Log, then SCT, then certificate: no other order has the types. What the certificate will say is logged and committed; only
 * then does the log promise that it is, and only with that promise does the CA sign. Certificate, its own record and its row
 * are a second transaction, so none is handed out whose fingerprint is not logged either.
 *
 * A crash in between leaves a logged precertificate and no certificate that anybody has seen; whoever asks again for the same
 * key gets what was logged then, its name included.
 *
 * Orders that come together share their transactions, in batches; one that is refused leaves the others of its batch alone.
 */
@Injectable()
export class IssueCertificate {
  private readonly announcing = new Batches(
    (orders: readonly CertificateOrder[]) => this.announceAll(orders),
    MAX_BATCH,
  );
  private readonly issuing = new Batches((items: readonly Announced[]) => this.issueAll(items), MAX_BATCH);

  constructor(
    private readonly db: Db,
    private readonly reader: CertificateReader,
    private readonly store: CertificateStore,
    private readonly vendors: VendorReader,
    private readonly leaf: SignLeaf,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
    private readonly steps: TrustSteps,
  ) {}

  async run(order: CertificateOrder): Promise<IssuedCertificate> {
    if (order.vendor.status !== 'active') throw vendorNotActive();
    const logged = await this.announcing.add(order);
    await this.steps.reached('announcement committed');
    const issued = await this.issuing.add({ order, logged });
    await this.steps.reached('certificate committed');
    return issued;
  }

  /** Puts what each certificate will say on record, or finds what an earlier request has put there. */
  private announceAll(orders: readonly CertificateOrder[]): Promise<readonly (Committed<Precertificate> | Failed)[]> {
    return this.db.commitEach(async (tx) => {
      const keys = orders.map(({ key }) => sha256(key.spki));
      const [, used, begun, issuer] = await Promise.all([
        this.store.lockIssuance(tx), // first of all, and PostgreSQL takes them one after the other
        this.store.usedKeys(tx, keys).then(asUsed),
        this.store.findPrecertificates(tx, keys),
        // Read in this transaction: nothing is announced under a CA that has handed over.
        this.reader.loadActive('issuing', tx),
      ]);

      const results = await mapAlone(orders, async (order, i): Promise<Precertificate | LeafDraft> => {
        const key = encodeHex(sha256(order.key.spki));
        if (used.has(key)) throw keyUsed(order, used.get(key));
        const found = begun.get(key);
        if (found === undefined) {
          used.set(key, undefined); // for whoever asks for the same one in this batch
          return this.leaf.draft(issuer, order);
        }
        const isSame = found.vendorId === order.vendor.id && found.assurance === order.assurance;
        if (!isSame || order.mayResume === false) throw keyUsed(order);
        if (keys.findIndex((other) => encodeHex(other) === key) < i) throw keyUsed(order);
        return found;
      });

      const drafts = orders.flatMap((order, at) => {
        const draft = results[at];
        return draft === undefined || draft instanceof Failed || 'entryId' in draft ? [] : [{ at, order, draft }];
      });
      const standing = await this.findStanding(tx, drafts, () => issuer.name, results);
      const logged = await this.record.runAll(
        tx,
        standing.map(({ order, draft }) => this.recordDraft(order, issuer.name, draft)),
      );
      await this.steps.reached('announcement logged');
      const now = this.clock.now();
      const rows = standing.map(({ order, draft }, i): Precertificate => {
        const { index, entryId } = logged[i] as LoggedRecord;
        return {
          ...{ serial: draft.serialHex, spkiSha256: sha256(order.key.spki), vendorId: order.vendor.id },
          ...{ assurance: order.assurance, issuer: issuer.name, shard: shardOf(parseHex(draft.serialHex)) },
          ...{ tbs: draft.tbs, logIndex: index, entryId, loggedAt: now },
        };
      });
      await this.store.insertPrecertificates(tx, rows);
      await this.steps.reached('announcement stored');
      standing.forEach(({ at }, i) => (results[at] = rows[i] as Precertificate));
      return results as (Precertificate | Failed)[];
    });
  }

  /** Signs what was announced, and puts the certificates on record: none is stored without, none is handed out before. */
  private async issueAll(items: readonly Announced[]): Promise<readonly (IssuedCertificate | Failed)[]> {
    // A database that another one took over from may have lost an announcement since: then nothing is promised about it.
    const known = await this.db.transaction((tx) => this.findAnnounced(tx, items));
    await this.leaf.prepare();
    const signed = await mapAlone(items, async ({ logged }) => {
      refuseUnannounced(logged, known);
      return this.leaf.issue(logged);
    });

    return this.db.transaction(async (tx) => {
      const keys = items.map(({ logged }) => logged.spkiSha256);
      const [, used, still] = await Promise.all([
        this.store.lockIssuance(tx),
        this.store.usedKeys(tx, keys).then(asUsed),
        this.findAnnounced(tx, items),
      ]);
      const results: (IssuedCertificate | Failed | undefined)[] = items.map(() => undefined);
      const made = items.flatMap(({ order, logged }, at) => {
        const certificate = attemptNow(() => {
          const key = encodeHex(logged.spkiSha256);
          if (used.has(key)) throw keyUsed(order, used.get(key));
          used.set(key, undefined);
          refuseUnannounced(logged, still);
          return signed[at];
        });
        if (certificate instanceof Failed) results[at] = certificate;
        return certificate === undefined || certificate instanceof Failed ? [] : [{ at, order, logged, certificate }];
      });
      const standing = await this.findStanding(tx, made, ({ logged }) => logged.issuer, results);
      const records = await this.record.runAll(
        tx,
        standing.map(({ order, logged, certificate }) => this.recordCertificate(order, logged, certificate)),
      );
      await this.steps.reached('certificate logged');
      const issuedAt = this.clock.now();
      const rows = standing.map(({ logged, certificate }, i): NewCertificate => {
        const { serial, spkiSha256, vendorId, assurance, issuer, shard } = logged;
        const { fingerprint, der, notBefore, notAfter } = certificate;
        const { index, entryId } = records[i] as LoggedRecord;
        return {
          ...{ serial, fingerprint, spkiSha256, vendorId, assurance, issuer, shard, der, notBefore, notAfter },
          ...{ logIndex: index, entryId, issuedAt },
        };
      });
      const events = standing.map(({ order }, i) => {
        const { vendorId, serial, assurance, fingerprint, entryId } = rows[i] as NewCertificate;
        return {
          ...{ actor: order.actor, action: 'certificate-issued', subject: `certificate:${fingerprint}` },
          detail: { vendor: vendorId, serial, assurance, ...order.ground, entryId },
        };
      });
      await Promise.all([this.store.insertAll(tx, rows), this.audit.appendAll(tx, events)]);
      await this.steps.reached('certificate stored');
      standing.forEach(({ at }, i) => (results[at] = rows[i] as NewCertificate));
      return results as (IssuedCertificate | Failed)[];
    });
  }

  private findAnnounced(tx: Tx, items: readonly Announced[]): Promise<ReadonlyMap<string, Precertificate>> {
    return this.store.findPrecertificates(
      tx,
      items.map(({ logged }) => logged.spkiSha256),
    );
  }

  /**
   * Those whose order still stands; the others fail in `results`. A suspension or revocation needs the head of the log for its record:
   * asked while this transaction holds it, what stands goes on to.
   */
  private async findStanding<T extends { readonly at: number; readonly order: CertificateOrder }>(
    tx: Tx,
    candidates: readonly T[],
    issuerOf: (candidate: T) => AuthorityName,
    results: unknown[],
  ): Promise<readonly T[]> {
    if (candidates.length === 0) return [];
    const ids = [...new Set(candidates.map(({ order }) => order.vendor.id))];
    const keys = candidates.map(({ order }) => sha256(order.key.spki));
    const issuers = [...new Set(candidates.map(issuerOf))];
    const [, active, revokedKeys, revokedIssuers] = await Promise.all([
      this.record.hold(tx), // first, as above
      this.vendors.activeAmong(tx, ids),
      this.reader.revokedKeys(tx, keys),
      this.store.revokedIssuers(tx, issuers),
    ]);
    const standing: T[] = [];
    for (const candidate of candidates) {
      const { vendor, key, confirm } = candidate.order;
      const outcome = await attempt(async () => {
        if (!active.has(vendor.id)) throw vendorNotActive();
        if (revokedKeys.has(encodeHex(sha256(key.spki)))) throw keyBlocked();
        if (revokedIssuers.has(issuerOf(candidate))) throw issuerRevoked();
        await confirm?.(tx);
      });
      if (outcome instanceof Failed) results[candidate.at] = outcome;
      else standing.push(candidate);
    }
    return standing;
  }

  private recordDraft(order: CertificateOrder, issuer: AuthorityName, draft: LeafDraft): RegistryRecord {
    const { assurance, ground, vendor } = order;
    const { tbs, serialHex, notBefore, notAfter, spki } = draft;
    return {
      subject: `precertificate:${encodeHex(sha256(tbs))}`,
      vendorId: vendor.id,
      payload: {
        record: 'certificate-announced',
        at: wireTime(this.clock.now()),
        vendor: vendor.id,
        assurance,
        ...ground,
        issuer,
        serial: serialHex,
        spkiSha256: encodeHex(sha256(spki)),
        notBefore: wireTime(notBefore),
        notAfter: wireTime(notAfter),
        tbsCertificate: encodeBase64(tbs),
      },
    };
  }

  private recordCertificate(
    { assurance, ground }: CertificateOrder,
    { vendorId: vendor, issuer, entryId }: Precertificate,
    certificate: Certificate,
  ): RegistryRecord {
    const { fingerprint, serialHex, notBefore, notAfter, der, spki } = certificate;
    return {
      subject: `certificate:${fingerprint}`,
      vendorId: vendor,
      certificate: parseHex(fingerprint),
      payload: {
        record: 'certificate-issued',
        at: wireTime(this.clock.now()),
        vendor,
        assurance,
        ...ground,
        issuer,
        serial: serialHex,
        fingerprint,
        spkiSha256: encodeHex(sha256(spki)),
        notBefore: wireTime(notBefore),
        notAfter: wireTime(notAfter),
        announced: entryId,
        certificate: encodeBase64(der),
      },
    };
  }
}

/** Each by itself: what one throws stands in its place. */
function mapAlone<T, R>(items: readonly T[], map: (item: T, at: number) => Promise<R>): Promise<(R | Failed)[]> {
  return Promise.all(items.map((item, at) => attempt(() => map(item, at))));
}

/** To be filled by those of a batch, whose certificates have no number yet. */
function asUsed(keys: ReadonlyMap<string, UsedKey>): Map<string, UsedKey | undefined> {
  return new Map(keys);
}

/** As {@link attempt}, of what is known at once. */
function attemptNow<T>(work: () => T): T | Failed {
  try {
    return work();
  } catch (error) {
    return new Failed(error);
  }
}

function refuseUnannounced(logged: Precertificate, known: ReadonlyMap<string, Precertificate>): void {
  if (known.get(encodeHex(logged.spkiSha256))?.entryId !== logged.entryId) throw new Error('The announcement is gone.');
}

function keyBlocked(): CertificateFault {
  return new CertificateFault('certificate/key-blocked', 'This key is revoked: make a new one.');
}

function issuerRevoked(): CertificateFault {
  return new CertificateFault('certificate/issuer-revoked', 'The issuing CA is revoked: it issues nothing any more.');
}

function vendorNotActive(): CertificateFault {
  return new CertificateFault('certificate/vendor-not-active', 'Only an active vendor gets certificates.');
}

/** Whoever asks again because an answer was lost is told where his certificate is; what others have is not for him. */
function keyUsed({ vendor }: CertificateOrder, by?: UsedKey): CertificateFault {
  const where = by?.vendorId === vendor.id && by.serial !== undefined ? `, by ${by.serial}` : '';
  return new CertificateFault('certificate/key-used', `This key has been certified before${where}: make a new one.`);
}
