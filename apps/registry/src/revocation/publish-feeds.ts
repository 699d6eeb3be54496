import { Injectable } from '@nestjs/common';
import { encodeUtf8 } from '@margo-trust/bytes';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import type { Tx } from '../db/db.ts';
import { fresh, PublishedFiles } from '../http/published-files.store.ts';
import { encodeAtomFeed, encodeJsonFeed, encodeMiafList } from './feeds.ts';
import { type ListedCertificate, RevocationReader } from './revocation.reader.ts';

/** The latest decisions that a feed names. */
const NAMED = 100;

/**
 * Publishes what was decided for readers who know neither CRLs nor TUF: a JSON Feed, an Atom feed, and the list in the shape that
 * Margo's identity framework has drafted. None is signed: whoever decides by them goes by TLS alone.
 */
@Injectable()
export class PublishFeeds {
  constructor(
    private readonly revocations: RevocationReader,
    private readonly files: PublishedFiles,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** `list` is what the CRLs of leaves list. */
  async run(tx: Tx, list: readonly ListedCertificate[]): Promise<void> {
    const decisions = await this.revocations.page(NAMED, undefined, tx);
    const feed = { url: this.config.publicUrl, decisions, now: this.clock.now() };
    const cacheControl = fresh(5);
    await this.files.publishAll(tx, {
      '/revocations/feed.json': {
        body: encodeUtf8(encodeJsonFeed(feed)),
        contentType: 'application/feed+json',
        cacheControl,
      },
      '/revocations/feed.atom': {
        body: encodeUtf8(encodeAtomFeed(feed)),
        contentType: 'application/atom+xml',
        cacheControl,
      },
      '/revocations/miaf.json': {
        ...{ body: encodeUtf8(encodeMiafList(list, feed.now)), contentType: 'application/json', cacheControl },
      },
    });
  }
}
