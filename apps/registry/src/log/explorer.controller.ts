import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiQuery, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { encodeBase64, encodeBase64Url, encodeHex, parseBase64Url } from '@margo-trust/bytes';
import { encodeTufTime } from '@margo-trust/tuf';
import { encodeVerifierKey } from '@margo-trust/tlog';
import { LogEntryDetail, LogEntryPage, LogSummary, type LogEntry } from '@margo-trust/wire';
import { Requires } from '../callers/requires.ts';
import { Endpoint } from '../http/endpoint.ts';
import { IssueReceipt } from './issue-receipt.ts';
import { LogFault } from './log.fault.ts';
import { ed25519Raw, LogIdentity } from './log-identity.ts';
import { LogReader, type EntryRecord } from './log.reader.ts';
import { readSearch } from './search.ts';

/** The log for people and programs that look around: summary, search, one entry with its evidence. */
@Requires('anyone')
@ApiTags('log')
@Controller('api/v1/log')
export class ExplorerController {
  constructor(
    private readonly reader: LogReader,
    private readonly receipts: IssueReceipt,
    private readonly identity: LogIdentity,
  ) {}

  @Get()
  @Endpoint({ summary: 'The log at a glance', answers: LogSummary })
  async summary(): Promise<LogSummary> {
    const { size, root, committedAt } = await this.reader.loadHead();
    const { origin, checkpoint } = this.identity;
    return {
      origin,
      size: size.toString(),
      root: encodeBase64(root),
      committedAt: encodeTufTime(committedAt),
      checkpointKey: encodeVerifierKey(origin, ed25519Raw(checkpoint.spki)),
    };
  }

  @Get('entries')
  @Endpoint({
    summary: 'Search the log, newest entries first',
    description:
      '`q` takes a digest, OCI reference, application id, vendor, EntryID, certificate fingerprint or index.',
    answers: LogEntryPage,
    refuses: ['http/invalid-query'],
  })
  @ApiQuery({ name: 'q', required: false, schema: { type: 'string', maxLength: 1024 } })
  @ApiQuery({ name: 'vendor', required: false, schema: { type: 'string', maxLength: 300 } })
  @ApiQuery({ name: 'applicationId', required: false, schema: { type: 'string', maxLength: 200 } })
  @ApiQuery({ name: 'digest', required: false, schema: { type: 'string', maxLength: 80 } })
  @ApiQuery({ name: 'reference', required: false, schema: { type: 'string', maxLength: 1024 } })
  @ApiQuery({ name: 'certificate', required: false, schema: { type: 'string', maxLength: 64 } })
  @ApiQuery({ name: 'subject', required: false, schema: { type: 'string', maxLength: 512 } })
  @ApiQuery({ name: 'type', required: false, schema: { type: 'string', maxLength: 255 } })
  @ApiQuery({ name: 'before', required: false, schema: { type: 'string', maxLength: 200 } })
  @ApiQuery({ name: 'limit', required: false, schema: { type: 'integer', minimum: 1, maximum: 200 } })
  async search(
    @Query() query: Record<string, unknown>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<LogEntryPage> {
    const filter = readSearch(query);
    const records = await this.reader.search({ ...filter, limit: filter.limit + 1 });
    const page = records.slice(0, filter.limit);
    const last = page.at(-1);
    if (records.length <= filter.limit || !last) return { items: page.map(toLogEntry) };

    const next = last.index.toString();
    const parameters = new URLSearchParams(
      Object.entries(query).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
    );
    parameters.set('before', next);
    response.setHeader('Link', `</api/v1/log/entries?${parameters.toString()}>; rel="next"`);
    return { items: page.map(toLogEntry), next };
  }

  @Get('entries/:id')
  @Endpoint({ summary: 'One entry by index or EntryID', answers: LogEntryDetail, refuses: ['log/no-such-entry'] })
  async entry(@Param('id') id: string): Promise<LogEntryDetail> {
    const record = await this.find(id);
    if (!record) throw new LogFault('log/no-such-entry', 'The log holds no such entry.');
    const stored = await this.reader.findStatement(record.entry);
    if (!stored) return toLogEntry(record);
    return { ...toLogEntry(record), statement: encodeBase64(await this.receipts.transparentStatement(record)) };
  }

  private async find(id: string): Promise<EntryRecord | undefined> {
    if (/^\d{1,19}$/.test(id)) return this.reader.findByIndex(BigInt(id));
    if (/^[\w-]{43}$/.test(id)) return this.reader.findByEntry(parseBase64Url(id));
    return undefined;
  }
}

function toLogEntry(record: EntryRecord): LogEntry {
  return {
    index: record.index.toString(),
    entryId: encodeBase64Url(record.entry),
    contentType: record.contentType,
    issuer: record.issuer,
    subject: record.subject,
    registeredAt: encodeTufTime(record.registeredAt),
    ...(record.vendorId !== undefined && { vendorId: record.vendorId }),
    ...(record.applicationId !== undefined && { applicationId: record.applicationId }),
    ...(record.version !== undefined && { version: record.version }),
    ...(record.certificate && { certificateFingerprint: encodeHex(record.certificate) }),
  };
}
