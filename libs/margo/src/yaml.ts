import { parseUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, Parser, type CST, type Document } from 'yaml';
import { MargoFault } from './fault.ts';

/**
 * YAML read as text: every scalar is the string its author wrote, so that version `1.10` does not become the number 1.1
 * and no two readers disagree about `no` or `0x1F`. An absent or null value is `undefined`.
 */
export type Yaml = string | undefined | readonly Yaml[] | YamlMap;
export type YamlMap = ReadonlyMap<string, Yaml>;

export interface YamlLimits {
  /** Longest input in bytes. */
  readonly maxBytes: number;
  /** Most collections inside one another. */
  readonly maxDepth: number;
  /** Most lexical tokens in the text, and most values once aliases are expanded. */
  readonly maxItems: number;
}

export const YAML_LIMITS: YamlLimits = { maxBytes: 1_048_576, maxDepth: 40, maxItems: 50_000 };

/**
 * The only document of a YAML 1.2 text from a source that may be hostile.
 *
 * Tokens and depth are counted before the recursive part of the parser runs, aliases are expanded on a budget, and a
 * mapping that names a key twice is refused: two readers could see two documents. Merge keys (`<<`) are followed,
 * because Compose files live on them.
 */
export function parseYaml(bytes: Uint8Array, limits: YamlLimits = YAML_LIMITS): Yaml {
  if (bytes.length > limits.maxBytes) throw new MargoFault('margo/too-large', 'The YAML document is too large.');
  const document = compose(tokenize(decode(bytes), limits));
  return new Reader(limits).read(document.contents, 0);
}

function decode(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    if (cause instanceof Fault) throw new MargoFault('margo/not-yaml', 'The document is not UTF-8.', { cause });
    throw cause;
  }
}

function tokenize(text: string, limits: YamlLimits): CST.Token[] {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  let count = 0;
  const keep = (token: CST.Token) => {
    if (token.type === 'error') throw new MargoFault('margo/not-yaml', `The document is not YAML: ${token.message}.`);
    tokens.push(token);
  };
  for (const lexeme of new Lexer().lex(text)) {
    if (++count > limits.maxItems) throw new MargoFault('margo/too-large', 'The YAML document has too many tokens.');
    for (const token of parser.next(lexeme)) keep(token);
    if (parser.stack.length > limits.maxDepth + 2) throw tooDeep(); // the document and the scalar are on the stack too
  }
  for (const token of parser.end()) keep(token);
  return tokens;
}

function compose(tokens: readonly CST.Token[]): Document.Parsed {
  const composer = new Composer({ schema: 'failsafe', uniqueKeys: false, prettyErrors: false, logLevel: 'silent' });
  let found: Document.Parsed | undefined;
  for (const document of composer.compose(tokens, true, 0)) {
    if (found) throw new MargoFault('margo/not-yaml', 'The file holds more than one YAML document.');
    found = document;
  }
  const error = found?.errors[0];
  if (!found || error) throw new MargoFault('margo/not-yaml', `The document is not YAML: ${error?.message ?? 'empty'}`);
  return found;
}

class Reader {
  private readonly limits: YamlLimits;
  private readonly anchors = new Map<string, unknown>();
  private count = 0;

  constructor(limits: YamlLimits) {
    this.limits = limits;
  }

  read(node: unknown, depth: number): Yaml {
    if (depth > this.limits.maxDepth) throw tooDeep(); // also where an alias inside its own anchor ends
    if (++this.count > this.limits.maxItems) {
      throw new MargoFault('margo/too-large', 'The YAML document is too large once its aliases are expanded.');
    }
    if (isAlias(node)) return this.read(this.anchors.get(node.source), depth + 1);
    if (isScalar(node)) {
      if (node.anchor) this.anchors.set(node.anchor, node);
      return node.type === 'PLAIN' && NULL.test(String(node.value)) ? undefined : String(node.value);
    }
    if (isSeq(node)) {
      if (node.anchor) this.anchors.set(node.anchor, node);
      return node.items.map((item) => this.read(item, depth + 1));
    }
    if (isMap(node)) {
      if (node.anchor) this.anchors.set(node.anchor, node);
      return this.readMap(node.items, depth + 1);
    }
    return undefined;
  }

  private readMap(pairs: readonly { readonly key: unknown; readonly value: unknown }[], depth: number): YamlMap {
    const own = new Map<string, Yaml>();
    const merged: YamlMap[] = [];
    for (const pair of pairs) {
      const key = this.read(pair.key, depth);
      const value = this.read(pair.value, depth);
      if (typeof key !== 'string') throw new MargoFault('margo/not-yaml', 'A YAML mapping has a key that is not text.');
      if (key === '<<') merged.push(...(isList(value) ? value : [value]).filter(isYamlMap));
      else if (own.has(key)) throw new MargoFault('margo/not-yaml', `A YAML mapping names ${quote(key)} twice.`);
      else own.set(key, value);
    }
    for (const source of merged) for (const [key, value] of source) if (!own.has(key)) own.set(key, value);
    return own;
  }
}

const NULL = /^(?:~|null|Null|NULL|)$/;

export function isYamlMap(value: Yaml): value is YamlMap {
  return value instanceof Map;
}

function isList(value: Yaml): value is readonly Yaml[] {
  return Array.isArray(value);
}

/** What the keys lead to; `undefined` where one is missing or what holds it is no mapping. */
export function valueAt(value: Yaml, ...keys: string[]): Yaml {
  return keys.reduce<Yaml>((inner, key) => (isYamlMap(inner) ? inner.get(key) : undefined), value);
}

/** The text there, if it is text and not empty. */
export function textAt(value: Yaml, ...keys: string[]): string | undefined {
  const found = valueAt(value, ...keys);
  return typeof found === 'string' && found !== '' ? found : undefined;
}

export function listAt(value: Yaml, ...keys: string[]): readonly Yaml[] {
  const found = valueAt(value, ...keys);
  return isList(found) ? found : [];
}

/** Somebody else's text inside a sentence of ours: quoted, escaped and cut. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text);
}

function tooDeep(): MargoFault {
  return new MargoFault('margo/too-deep', 'The YAML document is nested too deeply.');
}
