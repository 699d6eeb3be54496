import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { encodeUtf8, parseJson } from '@margo-trust/bytes';
import { readTimestampQuery } from '@margo-trust/sigstore';
import { encodePem } from '@margo-trust/x509';
import { mediaTypeOf, readBody } from '../../http/body.ts';
import { fresh } from '../../http/published-files.store.ts';
import { makeReply, type Reply } from '../../http/reply.ts';
import { CertificateReader } from '../certificate.reader.ts';
import { IssueTimestamp } from './issue-timestamp.ts';

const QUERY = 'application/timestamp-query';
const JSON_QUERY = 'application/json';

/** A query has 70 to 120 bytes as a rule, in JSON about 200. */
const MAX_QUERY_BYTES = 4_096;

/**
 * What the time-stamping paths answer, in front of the framework and behind it. A rejection is a reply as well: 200, and the
 * reply says why (RFC 3161 §3.4). Never 201, though Sigstore's own server sends it: `notation` takes 200 only.
 */
@Injectable()
export class TimestampReplies {
  constructor(
    private readonly issue: IssueTimestamp,
    private readonly reader: CertificateReader,
  ) {}

  /** A query in DER. */
  async stamp(request: IncomingMessage): Promise<Reply> {
    return reply(await this.issue.run(await readBody(request, { mediaTypes: [QUERY], maxBytes: MAX_QUERY_BYTES })));
  }

  /** A query in DER, or in the JSON of Sigstore's clients. The answer is DER to both. */
  async stampForSigstore(request: IncomingMessage): Promise<Reply> {
    const body = await readBody(request, { mediaTypes: [QUERY, JSON_QUERY], maxBytes: MAX_QUERY_BYTES });
    if (mediaTypeOf(request) === QUERY) return reply(await this.issue.run(body));
    const query = readTimestampQuery(parseJson(body, { maxBytes: MAX_QUERY_BYTES, maxDepth: 4 }));
    return reply(await this.issue.stamp(query));
  }

  /** The authority's certificate and those above it, up to the self-signed one. */
  async chain(): Promise<Reply> {
    const tsa = await this.reader.loadActive('tsa');
    const chain = [tsa, await this.reader.loadIssuerOf(tsa)];
    const pem = chain.map(({ der }) => encodePem('CERTIFICATE', der)).join('');
    return makeReply('application/pem-certificate-chain', encodeUtf8(pem), { cacheControl: fresh(3_600), etag: true });
  }
}

function reply(body: Uint8Array): Reply {
  return makeReply('application/timestamp-reply', body, { cacheControl: 'no-store' });
}
