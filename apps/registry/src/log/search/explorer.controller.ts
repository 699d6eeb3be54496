import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiQuery, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { encodeBase64, parseUtf8 } from '@margo-trust/bytes';
import { encodeTufTime } from '@margo-trust/tuf';
import { encodeVerifierKey } from '@margo-trust/tlog';
import { LogEntryDetail, LogEntryPage, LogSummary, type LogEntry } from '@margo-trust/wire';
import { Identity } from '../../callers/identity.ts';
import { Caller, Requires } from '../../callers/requires.ts';
import { Endpoint } from '../../http/endpoint.ts';
import { AdmissionReader, type Admission } from '../admission/admission.reader.ts';
import { FindEntries } from './find-entries.ts';
import { IssueReceipt } from '../issue-receipt.ts';
import { LogFault } from '../log.fault.ts';
import { ed25519Raw, LogIdentity } from '../log-identity.ts';
import { LogReader, type EntryRecord } from '../log.reader.ts';
import { readSearch } from './search.ts';
import { showEntry } from './show-entry.ts';
import { showWithholding } from '../withholding/withholding.controller.ts';
import { WithholdingReader, type Withholding } from '../withholding/withholding.reader.ts';

/** The log for people and programs that look around: summary, search, one entry with its evidence. */
@Requires('anyone')
@ApiTags('log')
@Controller('api/v1/log')
export class ExplorerController {
  constructor(
    private readonly reader: LogReader,
    private readonly find: FindEntries,
    private readonly receipts: IssueReceipt,
    private readonly identity: LogIdentity,
    private readonly admissions: AdmissionReader,
    private readonly withholdings: WithholdingReader,
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
      '`q` takes a digest, OCI reference, application id, vendor, EntryID, certificate fingerprint or index. What is given is combined. ' +
      'A page may hold fewer entries than asked for, even none, and still name a next one: a question costs only so much. ' +
      'With `proof=true` the page holds a checkpoint, and each entry below its size the inclusion path.',
    answers: LogEntryPage,
    refuses: ['http/invalid-query'],
  })
  @ApiQuery({ name: 'q', required: false, schema: { type: 'string', maxLength: 1024 } })
  @ApiQuery({ name: 'vendor', required: false, schema: { type: 'string', maxLength: 300 } })
  @ApiQuery({ name: 'applicationId', required: false, schema: { type: 'string', maxLength: 200 } })
  @ApiQuery({ name: 'version', required: false, schema: { type: 'string', maxLength: 128 } })
  @ApiQuery({ name: 'digest', required: false, schema: { type: 'string', maxLength: 80 } })
  @ApiQuery({ name: 'reference', required: false, schema: { type: 'string', maxLength: 1024 } })
  @ApiQuery({ name: 'certificate', required: false, schema: { type: 'string', maxLength: 64 } })
  @ApiQuery({ name: 'subject', required: false, schema: { type: 'string', maxLength: 512 } })
  @ApiQuery({ name: 'type', required: false, schema: { type: 'string', maxLength: 255 } })
  @ApiQuery({ name: 'since', required: false, schema: { type: 'string', format: 'date-time' } })
  @ApiQuery({ name: 'until', required: false, schema: { type: 'string', format: 'date-time' } })
  @ApiQuery({ name: 'from', required: false, schema: { type: 'string', maxLength: 18 } })
  @ApiQuery({ name: 'before', required: false, schema: { type: 'string', maxLength: 200 } })
  @ApiQuery({ name: 'limit', required: false, schema: { type: 'integer', minimum: 1, maximum: 200 } })
  @ApiQuery({ name: 'proof', required: false, schema: { type: 'boolean' } })
  async search(
    @Query() query: Record<string, unknown>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<LogEntryPage> {
    const { records, paths, checkpoint, ...page } = await this.find.run(readSearch(query));
    const items = records.map((record, i) => ({ ...showEntry(record), ...pathOf(paths?.[i]) }));
    const proven = checkpoint && { checkpoint: parseUtf8(checkpoint) };
    if (page.next === undefined) return { items, ...proven };

    const next = page.next.toString();
    const parameters = new URLSearchParams(
      Object.entries(query).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
    );
    parameters.set('before', next);
    response.setHeader('Link', `</api/v1/log/entries?${parameters.toString()}>; rel="next"`);
    return { items, next, ...proven };
  }

  @Get('entries/:id')
  @Endpoint({ summary: 'One entry by index or EntryID', answers: LogEntryDetail, refuses: ['log/no-such-entry'] })
  async entry(@Caller() caller: Identity | undefined, @Param('id') id: string): Promise<LogEntryDetail> {
    const record = await this.reader.findById(id);
    if (!record) throw new LogFault('log/no-such-entry', 'The log holds no such entry.');
    const [admission, withholding] = await Promise.all([
      this.admissions.find(record),
      this.withholdings.find(record.entry),
    ]);
    const detail: LogEntryDetail = { ...showEntry(record), ...(admission && { admission: admissionJson(admission) }) };
    if (record.raw) return { ...detail, leaf: encodeBase64(record.raw) };
    if (withholding) detail.withheld = showWithholding(withholding);
    const statement = await this.statementFor(caller, record, withholding?.kind);
    return { ...detail, ...(statement && { statement: encodeBase64(statement) }) };
  }

  /** For its vendor's members and governance also what is restricted; for nobody what was erased. */
  private async statementFor(
    caller: Identity | undefined,
    record: EntryRecord,
    withheld: Withholding['kind'] | undefined,
  ): Promise<Uint8Array | undefined> {
    const { vendorId, entry } = record;
    const isInsider =
      caller !== undefined && (caller.isGovernance || (vendorId !== undefined && caller.belongsTo(vendorId)));
    if (withheld === 'erased' || (withheld === 'restricted' && !isInsider)) return undefined;
    const find = () =>
      withheld === 'restricted' ? this.withholdings.findRestricted(entry) : this.reader.findStatement(entry);
    const stored = await find();
    return stored && this.receipts.transparentStatement(record, () => Promise.resolve(stored));
  }
}

function pathOf(path: readonly Uint8Array[] | undefined): Pick<LogEntry, 'inclusionPath'> {
  return path ? { inclusionPath: path.map(encodeBase64) } : {};
}

function admissionJson({ policyIndex, anchorsIndex, ...records }: Admission) {
  return { policyIndex: policyIndex.toString(), anchorsIndex: anchorsIndex.toString(), ...records };
}
