import { Controller, Get, Param, Post, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { describeRegistrationPolicy, parseRegistrationPolicy, type RegistrationPolicy } from '@margo-trust/policy';
import {
  ApprovalRequest,
  PolicyProposal,
  PolicyProposalList,
  PolicyProposalRequest,
  PolicyState,
  type LoggedPolicy,
  type PolicyDocument,
} from '@margo-trust/wire';
import { Identity } from '../../callers/identity.ts';
import { Caller, Requires } from '../../callers/requires.ts';
import { JsonBody } from '../../http/body.ts';
import { Endpoint } from '../../http/endpoint.ts';
import { wireTime } from '../../wire-time.ts';
import { ApprovePolicy } from './approve-policy.ts';
import { type LoggedPolicy as Logged, PolicyReader } from './policy.reader.ts';
import type { StoredProposal } from './policy.store.ts';
import { ProposePolicy } from './propose-policy.ts';

/** What the log admits, and how governance changes it: one proposes, another approves. */
@ApiTags('log')
@Controller('api/v1/log/policy')
export class PolicyController {
  constructor(
    private readonly reader: PolicyReader,
    private readonly propose: ProposePolicy,
    private readonly approve: ApprovePolicy,
  ) {}

  @Get()
  @Requires('anyone')
  @Endpoint({ summary: 'The registration policy in force, and those before it', answers: PolicyState })
  show(): Promise<PolicyState> {
    return this.state();
  }

  @Post()
  @Requires('governance')
  @Endpoint({
    summary: 'Propose the next registration policy',
    description: 'The whole policy, with the version after the one in force. Another member’s approval adopts it.',
    accepts: PolicyProposalRequest,
    status: 201,
    answers: PolicyProposal,
    refuses: ['http/invalid-body', 'policy/malformed', 'policy/unknown-type', 'policy/wrong-version'],
  })
  async create(
    @Caller() caller: Identity,
    @JsonBody(PolicyProposalRequest) { policy, reason }: PolicyProposalRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<PolicyProposal> {
    const proposal = await this.propose.run(caller, { ...policy }, reason);
    response.setHeader('Location', `/api/v1/log/policy/proposals/${proposal.id}`);
    return showProposal(proposal);
  }

  @Get('proposals')
  @Requires('governance')
  @Endpoint({ summary: 'Policies that wait for a second member', answers: PolicyProposalList })
  async proposals(): Promise<PolicyProposalList> {
    return { items: (await this.reader.openProposals()).map(showProposal) };
  }

  @Post('proposals/:id/approvals')
  @Requires('governance')
  @Endpoint({
    summary: 'Approve a proposed policy: it is logged, and counts from its index on',
    accepts: ApprovalRequest,
    status: 201,
    answers: PolicyState,
    refuses: ['policy/no-such-proposal', 'policy/own-proposal', 'policy/passed-over'],
  })
  async addApproval(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(ApprovalRequest) { note }: ApprovalRequest,
  ): Promise<PolicyState> {
    await this.approve.run(caller, id, note);
    return this.state();
  }

  private async state(): Promise<PolicyState> {
    const current = await this.reader.current();
    const history = await this.reader.history();
    return {
      current: showPolicy(current),
      history: history.filter(({ index }) => index < current.index).map(showPolicy),
    };
  }
}

function showPolicy({ index, entryId, decidedAt, policy }: Logged): LoggedPolicy {
  return { index: index.toString(), entryId, decidedAt: wireTime(decidedAt), policy: describe(policy) };
}

function showProposal({ id, document, reason, subject, proposedAt }: StoredProposal): PolicyProposal {
  return {
    id,
    policy: describe(parseRegistrationPolicy(document)),
    reason,
    proposedBy: subject,
    proposedAt: wireTime(proposedAt),
  };
}

const describe = (policy: RegistrationPolicy) => describeRegistrationPolicy(policy) as PolicyDocument;
