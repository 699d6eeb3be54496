/**
 * What reaches the disk, and in which order, by strace: a file of the log gets its name only when its bytes are flushed, never over
 * another file, and the name is flushed before anybody is told. Then the process is killed at every one of those system calls.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { client, repository, run, temporaryDirectory } from './harness.ts';

const STORE = join(repository, 'apps/registry/dist/log/tiles/directory-tile-store.js');
/** Two files of the log, a checkpoint, and the next one in its place. */
const WRITER = `
  import { DirectoryTileStore } from ${JSON.stringify(STORE)};
  const store = new DirectoryTileStore(process.argv[1]);
  const file = (path, text) => ({ path, bytes: new TextEncoder().encode(text.repeat(1000)) });
  await store.create([file('tile/0/000', 'a'), file('tile/0/001.p/3', 'b')]);
  for (const text of ['1', '2']) await store.replace(file('checkpoint', text), await store.read('checkpoint'));
  console.log('done');
`;
const CONTENTS: Record<string, string[]> = { 'tile/0/000': ['a'], 'tile/0/001.p/3': ['b'], checkpoint: ['1', '2'] };

let scratch: string;
beforeAll(async () => void (scratch = await temporaryDirectory()));
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** Runs the writer on a directory. `trace` has its system calls there, paths relative to it, itself as `.`. */
async function write(directory: string, options: readonly string[]): Promise<{ isDone: boolean; trace: string[] }> {
  await mkdir(directory, { recursive: true });
  const output = `${directory}.trace`;
  const { stdout } = await run(
    client('strace'),
    [
      ...['--follow-forks', '--decode-fds=path', '--quiet=all', '--signal=none', '--output', output, ...options],
      ...[process.execPath, '--input-type=module', '--eval', WRITER, directory],
    ],
    { env: { UV_THREADPOOL_SIZE: '1' } }, // strace counts by thread
  );
  const trace = (await readFile(output, 'utf8'))
    .split('\n')
    .filter((line) => line.includes(directory) && !line.includes('execve'))
    .map((line) => line.replaceAll(`${directory}/`, '').replaceAll(directory, '.'));
  return { isDone: stdout.includes('done'), trace };
}

describe('the tile directory, by its system calls', () => {
  it('names a file after its flush, over nothing, and flushes the name', async () => {
    const calls = '--trace=/^open,/write,fsync,fdatasync,/link,/rename,/mkdir';
    const { isDone, trace } = await write(join(scratch, 'all'), [calls]);
    expect(isDone).toBe(true);
    const named = trace.flatMap((line, at) => {
      const [, call, from = '', to = ''] = /(link|rename)\w*\(.*"(\.staging\/\w+)", .*"([^"]+)".* = 0/.exec(line) ?? [];
      return call === undefined ? [] : [{ call, from, to, at }];
    });
    expect(named.map(({ call, to }) => `${call} ${to}`).sort()).toEqual([
      'link tile/0/000',
      'link tile/0/001.p/3',
      'rename checkpoint',
      'rename checkpoint',
    ]);

    const isFlush = (line: string, path: string) =>
      /f(?:data)?sync\(/.test(line) && line.includes(`<${path}>) `) && / = 0$/.test(line);
    for (const { from, to, at } of named) {
      const opened = trace.findIndex((line) => /^\d+ +open/.test(line) && line.includes(`"${from}"`));
      expect(trace[opened]).toMatch(/O_CREAT\|O_EXCL/);
      const written = trace.findLastIndex((line) => line.includes('write') && line.includes(`<${from}>,`));
      const flushed = trace.findIndex((line, i) => i > written && isFlush(line, from));
      const durable = trace.findIndex((line, i) => i > at && isFlush(line, dirname(to)));
      const order = [opened, written, flushed, at, durable];
      expect(order, `${to}: open, write, flush, name, flush of the name`).toEqual([...order].sort((a, b) => a - b));
      expect(opened).toBeGreaterThanOrEqual(0);
    }
    for (const [at, line] of trace.entries()) {
      const [, made] = /mkdir\w*\(.*"([^"]+)".* = 0$/.exec(line) ?? [];
      if (made === undefined) continue;
      expect(
        trace.slice(at).some((later) => isFlush(later, dirname(made))),
        `the directory ${made}`,
      ).toBe(true);
    }
    const inPlace = trace.filter((line) => /O_(?:WRONLY|RDWR)/.test(line) && !line.includes('".staging/'));
    expect(inPlace, 'opened for writing under its name').toEqual([]);
  });

  it.each(['mkdir', 'write', 'fsync', 'link', 'rename', 'unlink'])(
    'leaves whole files only when killed at any %s, and the next run completes them',
    async (call) => {
      for (let at = 1, kills = 0; ; at += 1) {
        const directory = join(scratch, `${call}-${at}`);
        const injected = `--inject=${call}:signal=KILL:when=${at}`;
        const { isDone } = await write(directory, [`--trace=${call}`, injected]);
        await expectWhole(directory, false);
        if (isDone) {
          expect(kills).toBeGreaterThan(0);
          break;
        }
        kills += 1;
        expect((await write(directory, ['--trace=none'])).isDone).toBe(true);
        await expectWhole(directory, true);
      }
    },
  );
});

async function expectWhole(directory: string, isComplete: boolean): Promise<void> {
  for (const [path, letters] of Object.entries(CONTENTS)) {
    const found = await readFile(join(directory, path), 'utf8').catch(() => undefined);
    if (found === undefined) expect(isComplete, `${path} is missing`).toBe(false);
    else
      expect(
        letters.map((letter) => letter.repeat(1000)),
        path,
      ).toContain(found);
  }
}
