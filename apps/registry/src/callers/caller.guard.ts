import type { IncomingMessage } from 'node:http';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AccessTokens } from './access-tokens.ts';
import { CallerFault } from './caller.fault.ts';
import { Identity } from './identity.ts';
import { MemberReader } from './member.reader.ts';
import { callers, REQUIREMENT, type Requirement } from './requires.ts';

/** Stands before every route: finds out who calls, and refuses whom the route does not want. */
@Injectable()
export class CallerGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: AccessTokens,
    private readonly members: MemberReader,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const requirement = this.reflector.getAllAndOverride<Requirement | undefined>(REQUIREMENT, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (requirement === undefined) throw new Error(`${context.getHandler().name} does not say who may call it.`);

    if (requirement === 'workload') return true;
    const request = context.switchToHttp().getRequest<IncomingMessage>();
    const identity = await this.identify(request);
    if (requirement === 'anyone') return true;
    if (identity === undefined) throw new CallerFault('caller/unauthenticated', 'Send an access token as Bearer.');
    if (requirement === 'governance' && !identity.isGovernance) {
      throw new CallerFault('caller/forbidden', 'Only governance members may do this.');
    }
    return true;
  }

  private async identify(request: IncomingMessage): Promise<Identity | undefined> {
    const header = request.headers.authorization;
    if (header === undefined) return undefined;
    const token = /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i.exec(header)?.[1];
    if (token === undefined)
      throw new CallerFault('caller/invalid-token', 'The Authorization header is not a Bearer token.');
    const { issuer, subject } = await this.tokens.verify(token);
    const identity = new Identity(issuer, subject, await this.members.membershipsOf(issuer, subject));
    callers.set(request, identity);
    return identity;
  }
}
