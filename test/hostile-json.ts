/** The routes that take JSON, as openapi.json has them, and bodies that are wrong in one member each. */
import { readFileSync } from 'node:fs';

export interface Operation {
  method: string;
  /** As in the document: `/api/v1/vendors/{id}`. */
  path: string;
  query: string[];
  /** Name of the class of the JSON body. */
  body: string | undefined;
}

const document = JSON.parse(readFileSync(new URL('../apps/registry/openapi.json', import.meta.url), 'utf8')) as OpenApi;
export const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { parameters = [], requestBody }]): Operation => ({
    method: method.toUpperCase(),
    path,
    query: parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name),
    body: requestBody?.content['application/json']?.schema.$ref?.split('/').at(-1),
  })),
);
export const jsonOperations = operations.filter(({ body }) => body !== undefined);

/** Copies of `body`, each with one member of the schema spoilt, as JSON text. */
export function* spoilt(name: string, body: Record<string, unknown>): Iterable<[string, string]> {
  const { properties = {}, required = [] } = document.components.schemas[name] ?? {};
  for (const [member, schema] of Object.entries(properties)) {
    const { [member]: value, ...others } = body;
    if (required.includes(member)) yield [`without ${member}`, JSON.stringify(others)];
    for (const [what, wrong] of wrongValues(schema, value)) {
      yield [
        `${member} ${what}`,
        JSON.stringify(others)
          .replace('{', `{${JSON.stringify(member)}:${wrong},`)
          .replace(',}', '}'),
      ];
    }
    const inner = (schema.$ref ?? schema.allOf?.[0]?.$ref)?.split('/').at(-1);
    if (inner === undefined) continue;
    for (const [what, text] of spoilt(inner, value as Record<string, unknown>)) {
      yield [`${member}: ${what}`, JSON.stringify({ ...others, [member]: 0 }).replace(/0\}$/, `${text}}`)];
    }
  }
}

/** As JSON text, since not every one can be written by JSON.stringify. */
function wrongValues(schema: Schema, value: unknown): [string, string][] {
  const json = JSON.stringify;
  const always: [string, string][] = [
    'null',
    ...(schema.type === 'integer' ? [] : ['7']),
    '-1e400',
    ...(schema.type === 'boolean' ? [] : ['true']),
    '[[]]',
    '[{}]',
    '[null]',
    '[7]',
    '{"a":1}',
  ].map((text) => [`is ${text}`, text]);
  if (schema.type === 'array') {
    const many = Array.from({ length: 40_000 }, (_, i) => i.toString(36)); // just within 256 KiB
    return [
      ...always,
      ['is text', '"x"'],
      ['is too long', json(many)],
      ['is too long, and always the same', json(many.map(() => 'same'))],
      ['says a thing twice', json([(value as unknown[] | undefined)?.[0], (value as unknown[] | undefined)?.[0]])],
      ...badTexts(1_000_000).map(([what, text]): [string, string] => [`holds ${what}`, `[${text}]`]),
    ];
  }
  if (schema.type !== 'string') return [...always, ['is text', '"x"'], ['is empty', '{}']];
  return [...always, ['is a list', json([value])], ['is empty', '""'], ...badTexts(schema.maxLength ?? 300)];
}

function badTexts(maxLength: number): [string, string][] {
  return [
    ['NUL', '"a\\u0000b"'],
    ['half a surrogate pair', '"a\\ud800b"'],
    ['the other half', '"\\udc00"'],
    ['too long', JSON.stringify('a'.repeat(maxLength + 1))],
    ['a megabyte', JSON.stringify('a'.repeat(1_000_000))],
    ['a megabyte of dots', JSON.stringify(`a/${'a.'.repeat(500_000)}!`)],
    ['a megabyte of blanks', JSON.stringify(`a${' '.repeat(1_000_000)}\u0001`)],
  ];
}

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  type?: string;
  maxLength?: number;
  properties?: Record<string, Schema>;
  required?: string[];
}

interface OpenApi {
  paths: Record<string, Record<string, { parameters?: { in: string; name: string }[]; requestBody?: RequestBody }>>;
  components: { schemas: Record<string, Schema> };
}

interface RequestBody {
  content: Record<string, { schema: Schema }>;
}
