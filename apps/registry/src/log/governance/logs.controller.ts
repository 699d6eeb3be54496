import { Controller, Get, Param, Post, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { encodeBase64 } from '@margo-trust/bytes';
import {
  ApprovalRequest,
  LogChange,
  LogChangeRequest,
  LogList,
  LogProposal,
  LogProposalList,
  type LogInfo,
  type LogKeyInfo,
} from '@margo-trust/wire';
import { Identity } from '../../callers/identity.ts';
import { Caller, Requires } from '../../callers/requires.ts';
import { JsonBody } from '../../http/body.ts';
import { Endpoint } from '../../http/endpoint.ts';
import { wireTime } from '../../wire-time.ts';
import type { LogKey } from '../keys/log-key.ts';
import { DecideLogChange } from './decide-log-change.ts';
import type { LogAction, WantedChange } from './log-change.ts';
import { type LogProposal as Proposal, LogProposalStore } from './log-proposal.store.ts';
import { currentOf, LogsReader } from './logs.reader.ts';

const REFUSALS = [
  'http/invalid-body',
  'log/bad-change',
  'log/governs',
  'log/key-used',
  'log/name-taken',
  'log/no-keys',
  'log/no-next-key',
  'log/no-such-log',
  'log/not-active',
  'log/not-frozen',
  'log/too-many',
] as const;

/** The registry's logs and their keys, and how governance changes them: one proposes, another approves. */
@ApiTags('log')
@Controller('api/v1/logs')
export class LogsController {
  constructor(
    private readonly reader: LogsReader,
    private readonly decide: DecideLogChange,
    private readonly proposals: LogProposalStore,
  ) {}

  @Get()
  @Requires('anyone')
  @Endpoint({ summary: 'The logs of this registry, with all keys they ever signed with', answers: LogList })
  list(): Promise<LogList> {
    return this.logs();
  }

  @Post('preview')
  @Requires('governance')
  @Endpoint({
    summary: 'What a change of a log or its keys would be; nothing is done',
    accepts: LogChangeRequest,
    answers: LogChange,
    refuses: REFUSALS,
  })
  async preview(@JsonBody(LogChangeRequest) request: LogChangeRequest): Promise<LogChange> {
    return { ...(await this.decide.preview(readChange(request))) };
  }

  @Get('proposals')
  @Requires('governance')
  @Endpoint({ summary: 'Changes that wait for a second member', answers: LogProposalList })
  async listProposals(): Promise<LogProposalList> {
    return { items: (await this.proposals.listOpen()).map(showProposal) };
  }

  @Post('proposals')
  @Requires('governance')
  @Endpoint({
    summary: 'Propose a change of a log or its keys',
    description: 'Another member’s approval makes exactly this change.',
    accepts: LogChangeRequest,
    status: 201,
    answers: LogProposal,
    refuses: REFUSALS,
  })
  async create(
    @Caller() caller: Identity,
    @JsonBody(LogChangeRequest) request: LogChangeRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<LogProposal> {
    const proposal = await this.decide.propose(caller, readChange(request), request.reason);
    response.setHeader('Location', `/api/v1/logs/proposals/${proposal.id}`);
    return showProposal(proposal);
  }

  @Post('proposals/:id/approvals')
  @Requires('governance')
  @Endpoint({
    summary: 'Approve a proposed change: it is logged, and made',
    accepts: ApprovalRequest,
    status: 201,
    answers: LogList,
    refuses: ['log/no-such-proposal', 'log/not-witnessed', 'log/own-proposal', 'log/passed-over', ...REFUSALS],
  })
  async addApproval(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(ApprovalRequest) { note }: ApprovalRequest,
  ): Promise<LogList> {
    await this.decide.approve(caller, id, note);
    return this.logs();
  }

  private async logs(): Promise<LogList> {
    const logs = await this.reader.withKeys();
    const current = currentOf(logs);
    return {
      items: logs.map((record): LogInfo => {
        const { log, state, size, openedAt, closedAt, frozenAt, retiredAt, keys } = record;
        return {
          ...{ origin: log.origin, path: log.path, state, size: size.toString(), openedAt: wireTime(openedAt) },
          takesStatements: record === current,
          ...(closedAt && { closedAt: wireTime(closedAt) }),
          ...(frozenAt && { frozenAt: wireTime(frozenAt) }),
          ...(retiredAt && { retiredAt: wireTime(retiredAt) }),
          keys: keys.map(showKey),
        };
      }),
    };
  }
}

function showKey({ purpose, spki, fromSize, untilSize, eventIndex, since, retiredAt }: LogKey): LogKeyInfo {
  return {
    ...{ purpose, spki: encodeBase64(spki), fromSize: fromSize.toString(), since: wireTime(since) },
    ...(untilSize !== undefined && { untilSize: untilSize.toString() }),
    ...(eventIndex !== undefined && { event: eventIndex.toString() }),
    ...(retiredAt && { retiredAt: wireTime(retiredAt) }),
  };
}

function showProposal({ id, change, reason, subject, proposedAt }: Proposal): LogProposal {
  return { id, change: { ...change }, reason, proposedBy: subject, proposedAt: wireTime(proposedAt) };
}

function readChange({ action, log, name, purpose }: LogChangeRequest): WantedChange {
  return {
    action: action as LogAction,
    ...(name !== undefined && { name }),
    ...(log !== undefined && { log }),
    ...(purpose !== undefined && { purpose: purpose as NonNullable<WantedChange['purpose']> }),
  };
}
