/** Every function of the libraries that reads what a stranger wrote: a value or a Fault, soon, whatever the bytes. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Fault } from '@margo-trust/fault';
import { describe, expect, it } from 'vitest';
import { BAD_JSON, deepCbor, deepDer } from '../hostile-input.ts';
import { mutate, seededRandom } from '../probe.ts';

/** Inputs for each parser. `FUZZ=1000000` for a long run of all of them together, `FUZZ_SEED` for another one. */
const RUNS = Number(process.env['FUZZ'] ?? 20_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
/** Twice what a request may cost: some of these texts are read by clients only. */
const CPU_LIMIT_MS = 100;
const root = join(import.meta.dirname, '../..');

/** What reads text; all others read bytes. */
const READ_TEXT =
  /^(?:parseBase64|parseBase64Url|parseHex|parseEvidencePath|parseServerUrl|parseImageName|parseReference|parsePkcs11Uri|parseCheckpoint|parseTilePath|parsePublicKeyPem|parseVerifierKey|parseTufTime)$/;
/** What takes more than one text, and how. */
const OF_SEVERAL: Record<string, (parse: (...args: unknown[]) => unknown, text: string) => unknown> = {
  parseIndexKey: (parse, text) => parse(text.slice(0, 12), text),
  parsePem: (parse, text) => parse('CERTIFICATE', text),
};
/** What takes values that another parser has made: no stranger's bytes come here. */
const READ_VALUES = [
  'parseCoseKey',
  'parseDescriptor',
  'parseSignatureManifest',
  'parseArtifactSignature',
  'parseTrustRoot',
];
const LIBRARIES = readdirSync(join(root, 'libs')).filter((name) => name !== 'testkit');

type Parser = (input: Uint8Array) => unknown;

const parsers: [string, Parser][] = [];
for (const library of LIBRARIES) {
  const exports = (await import(`@margo-trust/${library}`)) as Record<string, unknown>;
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== 'function' || !/^(?:parse|decode)[A-Z]/.test(name) || READ_VALUES.includes(name)) continue;
    const parse = value as (...args: unknown[]) => unknown;
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
    const several = OF_SEVERAL[name];
    const read: Parser =
      several !== undefined
        ? (bytes) => several(parse, text(bytes))
        : READ_TEXT.test(name)
          ? (bytes) => parse(text(bytes))
          : (bytes) => parse(bytes);
    parsers.push([`${library} ${name}`, read]);
  }
}

/** Some of each kind of file that there are vectors of, what damages them most, and the short texts that parsers of text want. */
function corpus(): Uint8Array[] {
  const byKind = new Map<string, string[]>();
  for (const name of readdirSync(join(root, 'test/vectors'), { recursive: true, encoding: 'utf8' })) {
    const path = join(root, 'test/vectors', name);
    const { size } = statSync(path);
    if (!statSync(path).isFile() || size === 0 || size > 20_000) continue;
    byKind.set(extname(name), [...(byKind.get(extname(name)) ?? []), path]);
  }
  const files = [...byKind.values()].flatMap((paths) =>
    paths.filter((_, i) => i % Math.ceil(paths.length / 12) === 0).map((path) => new Uint8Array(readFileSync(path))),
  );
  const texts = [
    'log.example\n12\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— log.example AAAAAAAAAAAAAAAAAAAAAAA=\n',
    'w.example+00df7ba9+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    'witness a w.example+00df7ba9+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA http://w.example\nquorum a\n',
    ...[
      'tile/entries/x001/x234/067.p/8',
      'tile/0/000',
      '2026-11-20T12:00:00Z',
      'pkcs11:token=a;object=b?module-path=/x',
    ],
    ...[
      'https://registry.example:8443/a',
      'registry.example/a/b:1.0@sha256:00',
      'evidence/x001/000',
      'vendor:01jd',
      '00ff',
    ],
  ].map((text) => new Uint8Array(Buffer.from(text)));
  const shapes = [deepCbor(30_000), deepDer(14_000), ...Object.values(BAD_JSON), justWithin(9_900)]
    .map((shape) => new Uint8Array(Buffer.from(shape)))
    .filter(({ length }) => length <= 262_144);
  return [...files, ...texts, ...shapes];
}

/** A YAML and JSON mapping of so many tokens. */
function justWithin(tokens: number): string {
  return `{${Array.from({ length: tokens / 4 - 1 }, (_, i) => `"${i}":0`).join(',')}}`;
}

describe('parsers of what strangers write', () => {
  const inputs = corpus();

  it('are all here', () => {
    expect(parsers.length).toBeGreaterThan(45);
    expect(inputs.length).toBeGreaterThan(60);
  });

  it.each(parsers)('%s gives a value or a Fault, in 100 ms of CPU', { timeout: RUNS * 5 + 60_000 }, (name, parse) => {
    const below = seededRandom(SEED);
    const attempt = (input: Uint8Array): number => {
      const before = process.cpuUsage();
      try {
        parse(input);
      } catch (error) {
        if (!(error instanceof Fault)) throw new Error(`${name} of ${toHex(input)}`, { cause: error });
      }
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1_000;
    };
    const judge = (input: Uint8Array) => {
      let least = attempt(input);
      // Later compilations and collecting garbage are not the input's.
      for (let again = 0; again < 9 && least > CPU_LIMIT_MS; again += 1) least = Math.min(least, attempt(input));
      if (least > CPU_LIMIT_MS) throw new Error(`${name} takes ${Math.round(least)} ms for ${toHex(input)}`);
    };
    for (const input of inputs) attempt(input); // nothing is compiled yet
    for (const input of inputs) judge(input);
    for (let n = RUNS / parsers.length; n > 0; n -= 1) {
      judge(Uint8Array.from(mutate(inputs[below(inputs.length)]!, below)));
    }
  });
});

function toHex(bytes: Uint8Array): string {
  return `${bytes.length} bytes ${Buffer.from(bytes.subarray(0, 2_000)).toString('hex')}`;
}
