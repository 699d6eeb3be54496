import { Controller, Get, Query } from '@nestjs/common';
import { ApiQuery, ApiTags } from '@nestjs/swagger';
import { encodeBase64 } from '@margo-trust/bytes';
import { IndexMapFault, parseIndexKey, type IndexKey, type MapProof } from '@margo-trust/index-map';
import { CompleteAnswer, PAGE_LIMIT, type IndexProof } from '@margo-trust/wire';
import { Requires } from '../../callers/requires.ts';
import { Endpoint } from '../../http/endpoint.ts';
import { HttpFault } from '../../http/http.fault.ts';
import { AnswerCompletely, type CompleteQuestion } from './answer-completely.ts';
import { showEntry } from './show-entry.ts';

const KINDS = ['vendor', 'application', 'digest', 'certificate'];

/** Answers that show that nothing is left out (docs/adr/0014-complete-answers.md). */
@Requires('anyone')
@ApiTags('log')
@Controller('api/v1/log/complete')
export class CompleteController {
  constructor(private readonly answer: AnswerCompletely) {}

  @Get()
  @Endpoint({
    summary: 'All entries of one key, with proof that none is left out',
    description:
      'Give one of `vendor` (id), `application`, `digest` and `certificate` (SHA-256, hexadecimal). Newest first. `size` demands an index ' +
      'of so many entries at least. How to check the answer: docs/formats.md, “The index map”, or `margo-trust log complete`.',
    answers: CompleteAnswer,
    refuses: ['http/invalid-query', 'log/not-indexed'],
  })
  @ApiQuery({ name: 'vendor', required: false, schema: { type: 'string', maxLength: 26 } })
  @ApiQuery({ name: 'application', required: false, schema: { type: 'string', maxLength: 200 } })
  @ApiQuery({ name: 'digest', required: false, schema: { type: 'string', maxLength: 104 } })
  @ApiQuery({ name: 'certificate', required: false, schema: { type: 'string', maxLength: 64 } })
  @ApiQuery({ name: 'size', required: false, schema: { type: 'string', maxLength: 18 } })
  @ApiQuery({ name: 'before', required: false, schema: { type: 'string', maxLength: 40 } })
  @ApiQuery({ name: 'limit', required: false, schema: { type: 'integer', minimum: 1, maximum: 200 } })
  async complete(@Query() query: Record<string, unknown>): Promise<CompleteAnswer> {
    const question = readQuestion(query);
    const { head, treeSize, position, before, entries } = await this.answer.run(question);
    return {
      key: `${question.key.kind}:${question.key.value}`,
      ...(head && {
        size: head.size.toString(),
        count: head.count.toString(),
        proof: toWire(head.proof),
        record: encodeBase64(head.record),
        recordIndex: head.recordIndex.toString(),
      }),
      treeSize: treeSize.toString(),
      position: position.toString(),
      before: encodeBase64(before),
      items: entries
        .map(({ record, path }) => ({
          ...showEntry(record),
          inclusionPath: path.map(encodeBase64),
          ...(record.raw && { leaf: encodeBase64(record.raw) }),
        }))
        .reverse(),
      ...(position > 0n && { next: `${position}.${treeSize}` }),
    };
  }
}

function toWire({ siblings, leaf }: MapProof): IndexProof {
  return {
    siblings: siblings.map(encodeBase64),
    ...(leaf && {
      leaf: { key: encodeBase64(leaf.key), count: leaf.count.toString(), chain: encodeBase64(leaf.chain) },
    }),
  };
}

/** Reads the query. Unknown, repeated and malformed parameters are refused rather than ignored. */
function readQuestion(query: Record<string, unknown>): CompleteQuestion {
  const read = (name: string, pattern: RegExp): string | undefined => {
    const value = query[name];
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || !pattern.test(value)) throw refused(`"${name}" is malformed.`);
    return value;
  };
  const unknown = Object.keys(query).find((name) => ![...KINDS, 'size', 'before', 'limit'].includes(name));
  if (unknown !== undefined) throw refused(`There is no parameter "${unknown.slice(0, 50)}".`);
  const named = KINDS.filter((kind) => query[kind] !== undefined);
  const [kind] = named;
  if (kind === undefined || named.length > 1) throw refused(`Give one of ${KINDS.join(', ')}.`);
  const key = readKey(kind, read(kind, /^[\x21-\x7e]{1,300}$/) ?? '');
  const size = read('size', /^\d{1,18}$/);
  const [position, treeSize] = read('before', /^\d{1,18}\.\d{1,18}$/)?.split('.') ?? [];
  const limit = Number(read('limit', /^[1-9]\d{0,2}$/) ?? PAGE_LIMIT.initial);
  if (limit > PAGE_LIMIT.max) throw refused(`"limit" may be ${PAGE_LIMIT.max} at most.`);
  return {
    key,
    limit,
    ...(size !== undefined && { size: BigInt(size) }),
    ...(position !== undefined &&
      treeSize !== undefined && { cursor: { position: BigInt(position), treeSize: BigInt(treeSize) } }),
  };
}

function readKey(kind: string, value: string): IndexKey {
  try {
    return parseIndexKey(kind, value);
  } catch (cause) {
    if (cause instanceof IndexMapFault) throw refused(cause.message);
    throw cause;
  }
}

function refused(message: string): HttpFault {
  return new HttpFault('http/invalid-query', message);
}
