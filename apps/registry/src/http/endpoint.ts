import { applyDecorators, HttpCode, type Type } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOperation, ApiResponse } from '@nestjs/swagger';
import { type FaultCode, PROBLEMS } from './problems.ts';

export interface EndpointOptions {
  summary: string;
  description?: string;
  /** What goes in: a class of libs/wire for JSON, or a media type for bytes. */
  accepts?: Type<object> | string;
  /** The status of success, 200 unless said otherwise. */
  status?: number;
  /** What comes out: a class of libs/wire for JSON, or a media type for bytes. Nothing for an empty answer. */
  answers?: Type<object> | string;
  /** Codes worth naming in the documentation. */
  refuses?: readonly FaultCode[];
}

/** The OpenAPI side of a route, and its status of success. */
export function Endpoint(options: EndpointOptions): MethodDecorator {
  const { summary, description, accepts, status = 200, answers, refuses = [] } = options;
  return applyDecorators(
    HttpCode(status),
    ApiOperation({ summary, ...(description === undefined ? {} : { description }) }),
    ...accepted(accepts),
    ApiResponse({ status, description: 'Success', ...answered(answers) }),
    ...problems(refuses),
  );
}

const BYTES = { type: 'string', format: 'binary' } as const;

function accepted(accepts: EndpointOptions['accepts']): MethodDecorator[] {
  if (accepts === undefined) return [];
  if (typeof accepts === 'string') return [ApiConsumes(accepts), ApiBody({ schema: BYTES })];
  return [ApiConsumes('application/json'), ApiBody({ type: accepts })];
}

function answered(answers: EndpointOptions['answers']): object {
  if (answers === undefined) return {};
  return typeof answers === 'string' ? { content: { [answers]: { schema: BYTES } } } : { type: answers };
}

/** One response for each status, listing its codes. */
function problems(codes: readonly FaultCode[]): MethodDecorator[] {
  const byStatus = groupByStatus(codes);
  return [...byStatus].map(([status, found]) =>
    ApiResponse({
      status,
      description: found.map((code) => `\`${code}\` ${PROBLEMS[code].title}`).join(' · '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    }),
  );
}

function groupByStatus(codes: readonly FaultCode[]): Map<number, FaultCode[]> {
  const groups = new Map<number, FaultCode[]>();
  for (const code of codes) {
    const { status } = PROBLEMS[code];
    groups.set(status, [...(groups.get(status) ?? []), code]);
  }
  return groups;
}
