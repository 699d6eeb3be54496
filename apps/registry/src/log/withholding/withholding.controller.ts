import { Controller, Delete, Param, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { encodeBase64Url } from '@margo-trust/bytes';
import { ErasureDecision, WithholdingRequest, WithholdingState } from '@margo-trust/wire';
import { Identity } from '../../callers/identity.ts';
import { Caller, Requires } from '../../callers/requires.ts';
import { JsonBody } from '../../http/body.ts';
import { Endpoint } from '../../http/endpoint.ts';
import { wireTime } from '../../wire-time.ts';
import { EraseStatement } from './erase-statement.ts';
import { LogFault } from '../log.fault.ts';
import { LogReader, type EntryRecord } from '../log.reader.ts';
import { RestrictStatement } from './restrict-statement.ts';
import { WithholdingReader, type Withholding } from './withholding.reader.ts';

/** Takes statements from the public. The tree, receipts and proofs are not touched by any of it. */
@ApiTags('log')
@Controller('api/v1/log/entries/:id')
export class WithholdingController {
  constructor(
    private readonly reader: LogReader,
    private readonly withholdings: WithholdingReader,
    private readonly restrictStatement: RestrictStatement,
    private readonly eraseStatement: EraseStatement,
  ) {}

  @Post('restriction')
  @Requires('signed-in')
  @Endpoint({
    summary: 'Keep a statement’s payload for its vendor and governance',
    accepts: WithholdingRequest,
    status: 201,
    answers: WithholdingState,
    refuses: ['log/no-such-entry', 'log/not-erasable', 'log/already-withheld'],
  })
  async restrict(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(WithholdingRequest) { reason }: WithholdingRequest,
  ): Promise<WithholdingState> {
    const record = await this.load(id);
    await this.restrictStatement.run(caller, record, reason);
    return this.show(record);
  }

  @Delete('restriction')
  @Requires('governance')
  @Endpoint({
    summary: 'Show a restricted statement to everybody again',
    answers: WithholdingState,
    refuses: ['log/no-such-entry', 'log/not-erasable', 'log/not-restricted'],
  })
  async lift(@Caller() caller: Identity, @Param('id') id: string): Promise<WithholdingState> {
    const record = await this.load(id);
    await this.restrictStatement.lift(caller, record);
    return this.show(record);
  }

  @Post('erasure')
  @Requires('governance')
  @Endpoint({
    summary: 'Vote to erase a statement; the second vote erases it',
    description: 'The reason of the second vote becomes public with the record: it must not repeat what is erased.',
    accepts: WithholdingRequest,
    status: 201,
    answers: ErasureDecision,
    refuses: ['log/no-such-entry', 'log/not-erasable', 'log/already-voted', 'log/statement-erased'],
  })
  async erase(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(WithholdingRequest) { reason }: WithholdingRequest,
  ): Promise<ErasureDecision> {
    const record = await this.load(id);
    const { votes } = await this.eraseStatement.run(caller, record, reason);
    return { ...(await this.show(record)), votes };
  }

  private async load(id: string): Promise<EntryRecord> {
    const record = await this.reader.findById(id);
    if (!record) throw new LogFault('log/no-such-entry', 'The log holds no such entry.');
    return record;
  }

  private async show({ entry, index }: EntryRecord): Promise<WithholdingState> {
    const found = await this.withholdings.find(entry);
    return {
      entryId: encodeBase64Url(entry),
      index: index.toString(),
      ...(found && { withheld: showWithholding(found) }),
    };
  }
}

export function showWithholding({ kind, reason, recordEntryId, at }: Withholding) {
  return { kind, reason, recordEntryId, at: wireTime(at) };
}
