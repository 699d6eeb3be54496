import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import {
  describeTarget,
  metadataPath,
  parseRoot,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
  targetPath,
} from '@margo-trust/tuf';
import { Clock } from '../clock.ts';
import type { Tx } from '../db/db.ts';
import { IMMUTABLE, PublishedFiles } from '../http/published-files.store.ts';
import { AppendRecord } from '../log/append-record.ts';
import { wireTime } from '../wire-time.ts';
import type { TufRole } from './trust-root.reader.ts';
import { type TufFile, TrustRootStore } from './trust-root.store.ts';

/** Puts signed files where devices look for them: below `/tuf`, laid out as `libs/tuf` says. */
@Injectable()
export class TufRepository {
  constructor(
    private readonly store: TrustRootStore,
    private readonly files: PublishedFiles,
    private readonly record: AppendRecord,
    private readonly clock: Clock,
  ) {}

  /** Targets by name. Each lies under its own hash, so older ones stay for whoever is in the middle of an update. */
  async addTargets(tx: Tx, targets: Readonly<Record<string, Uint8Array>>): Promise<void> {
    const files = Object.entries(targets).map(([name, body]) => {
      const file = { body, contentType: contentTypeOf(name), cacheControl: IMMUTABLE };
      return [`/tuf/${targetPath(name, describeTarget(body))}`, file] as const;
    });
    await this.files.publishAll(tx, Object.fromEntries(files));
  }

  /**
   * Keeps, publishes and logs new metadata that belongs together, in the order given; the record is named after the
   * last one. Appending it is what others wait for, so it comes last.
   */
  async addMetadata(tx: Tx, metadata: Readonly<Partial<Record<TufRole, Uint8Array>>>): Promise<void> {
    const now = this.clock.now();
    const files = Object.entries(metadata).map(([role, bytes]) => read(role as TufRole, bytes));
    for (const file of files) {
      await this.store.insertMetadata(tx, file, now);
      await this.files.publish(tx, `/tuf/${metadataPath(file.role, file.version)}`, {
        body: file.bytes,
        contentType: 'application/json',
        cacheControl: file.role === 'timestamp' ? TIMESTAMP_CACHING : IMMUTABLE,
      });
    }
    const digests = files.map(({ bytes }) => encodeHex(sha256(bytes)));
    const last = files.at(-1);
    if (last === undefined) throw new Error('Nothing was published.');
    await this.record.run(tx, {
      subject: `tuf:${last.role}:${last.version}`,
      payload: {
        record: 'tuf-published',
        at: wireTime(now),
        roles: Object.fromEntries(files.map(({ role, version }, i) => [role, { version, sha256: digests[i] }])),
      },
      mentions: digests.map((digest) => `sha256:${digest}`),
    });
  }
}

const TIMESTAMP_CACHING = 'public, max-age=30, must-revalidate';

const PARSERS = {
  root: parseRoot,
  targets: parseTargets,
  live: parseTargets,
  snapshot: parseSnapshot,
  timestamp: parseTimestamp,
} as const;

function read(role: TufRole, bytes: Uint8Array): TufFile {
  const { signed, expires } = PARSERS[role](bytes);
  return { role, version: signed.version, expires, bytes };
}

function contentTypeOf(name: string): string {
  if (name.endsWith('.json')) return 'application/json';
  if (name.endsWith('.crl')) return 'application/pkix-crl';
  if (/\.(pem|crt)$/.test(name)) return 'application/x-pem-file';
  return 'text/plain; charset=utf-8';
}
