import { applyDecorators, createParamDecorator, type ExecutionContext, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth } from '@nestjs/swagger';
import type { IncomingMessage } from 'node:http';
import type { Identity } from './identity.ts';

/**
 * Who may call a route. `anyone` needs no token, but a token that is sent is checked. With `workload` it is not one of our
 * sign-in, but of a build's own issuer, and the use case reads it.
 * Roles within a vendor depend on which vendor it is: use cases ask the Identity.
 */
export type Requirement = 'anyone' | 'signed-in' | 'governance' | 'workload';

export const REQUIREMENT = 'margo:requirement';

/** Every route says who may call it; the guard refuses one that says nothing. */
export function Requires(requirement: Requirement): MethodDecorator & ClassDecorator {
  const metadata = SetMetadata(REQUIREMENT, requirement);
  return requirement === 'anyone' ? applyDecorators(metadata) : applyDecorators(metadata, ApiBearerAuth());
}

/** The person calling: an {@link Identity}, or undefined where `anyone` may call without a token. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext): Identity | undefined =>
  callers.get(context.switchToHttp().getRequest<IncomingMessage>()),
);

/** Who is behind each request in flight. The guard writes it. */
export const callers = new WeakMap<IncomingMessage, Identity>();
