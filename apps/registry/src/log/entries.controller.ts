import { Controller, Get, Header, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { parseBase64Url } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { Requires } from '../callers/requires.ts';
import { CoseBody } from '../http/body.ts';
import { IssueReceipt } from './issue-receipt.ts';
import { LogFault } from './log.fault.ts';
import { LogReader, type EntryRecord } from './log.reader.ts';
import { RegisterStatement } from './register-statement.ts';

/** SCRAPI (draft-ietf-scitt-scrapi-11 §2): registration of Signed Statements and resolution of receipts. */
@Requires('anyone')
@ApiExcludeController()
@Controller('entries')
export class EntriesController {
  constructor(
    private readonly register: RegisterStatement,
    private readonly receipts: IssueReceipt,
    private readonly reader: LogReader,
  ) {}

  @Post()
  @HttpCode(201)
  @Header('Content-Type', 'application/cose')
  async create(@CoseBody() statement: Uint8Array, @Res() response: Response): Promise<void> {
    const { receipt, entryId } = await this.register.run(statement);
    response.location(`/entries/${entryId}`).send(Buffer.from(receipt));
  }

  @Get(':entryId')
  @Header('Content-Type', 'application/cose')
  async receipt(@Param('entryId') entryId: string, @Res() response: Response): Promise<void> {
    const record = await this.load(entryId);
    response.location(`/entries/${entryId}`).send(Buffer.from(await this.receipts.run(record)));
  }

  @Get(':entryId/statement')
  @Header('Content-Type', 'application/cose')
  async statement(@Param('entryId') entryId: string, @Res() response: Response): Promise<void> {
    const record = await this.load(entryId);
    const stored = await this.reader.findStatement(record.entry);
    if (!stored) throw new LogFault('log/statement-erased', 'The statement behind this entry is no longer kept.');
    response.send(Buffer.from(stored.body));
  }

  @Get(':entryId/transparent-statement')
  @Header('Content-Type', 'application/cose')
  async transparentStatement(@Param('entryId') entryId: string, @Res() response: Response): Promise<void> {
    response.send(Buffer.from(await this.receipts.transparentStatement(await this.load(entryId))));
  }

  @Get(':entryId/proof')
  @Header('Content-Type', 'text/plain; charset=utf-8')
  async proof(@Param('entryId') entryId: string, @Res() response: Response): Promise<void> {
    response.send(Buffer.from(await this.receipts.tlogProof(await this.load(entryId))));
  }

  private async load(entryId: string): Promise<EntryRecord> {
    const record = await this.reader.findByEntry(readEntryId(entryId));
    if (!record) throw notFound();
    return record;
  }
}

/** A malformed id names no entry: the caller gets what a missing one gets. */
function readEntryId(entryId: string): Uint8Array {
  try {
    const entry = parseBase64Url(entryId);
    if (entry.length === 32) return entry;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
  throw notFound();
}

function notFound(): LogFault {
  return new LogFault('log/no-such-entry', 'The log holds no such entry.');
}
