import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { concatBytes, encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeTar, parseChartArchive, parseComposeArchive, parseTar } from '../src/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'margo-tar-'));
afterAll(() => rmSync(directory, { recursive: true }));

const file = (path: string, text = 'x', mode = 0o644) => ({ path, content: encodeUtf8(text), mode });
const compose = file('app/compose.yaml', 'services: {}');

/** A raw entry that encodeTar would never write. */
function entry(path: string, type: string, linkTarget = '', mode = 0o644): Uint8Array {
  const header = encodeTar([file(path, '', mode)]).slice(0, 512);
  header.set(encodeUtf8(type), 156);
  header.set(encodeUtf8(linkTarget), 157);
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  header.set(encodeUtf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
  return header;
}

const archive = (...entries: Uint8Array[]) => concatBytes(...entries, encodeTar([compose]));

describe('encodeTar and parseTar', () => {
  it('agree', () => {
    const files = [
      file('a/b', 'hello'),
      file('a/empty', ''),
      file('a/run', '#!', 0o755),
      file('a/long', 'z'.repeat(1025)),
    ];
    expect(parseTar(encodeTar(files))).toEqual(files.map((each) => ({ ...each, type: 'file' })));
  });

  it('write what the system tar lists and extracts', () => {
    const path = join(directory, 'ours.tar');
    writeFileSync(path, encodeTar([file('top/a.txt', 'hello'), file('top/sub/b', 'c', 0o755)]));
    expect(execFileSync('tar', ['-tf', path], { encoding: 'utf8' })).toBe('top/a.txt\ntop/sub/b\n');
    expect(execFileSync('tar', ['-xOf', path, 'top/a.txt'], { encoding: 'utf8' })).toBe('hello');
  });

  it.each(['ustar', 'pax', 'gnu'])('read what the system tar writes as %s', (format) => {
    const root = join(directory, format);
    const deep = `app/${'d'.repeat(60)}/${format === 'ustar' ? 'e' : 'e'.repeat(120)}`;
    mkdirSync(join(root, 'app', 'd'.repeat(60)), { recursive: true });
    writeFileSync(join(root, 'app/compose.yaml'), 'services: {}');
    writeFileSync(join(root, deep), 'deep');
    const tar = new Uint8Array(execFileSync('tar', ['-c', `--format=${format}`, '-C', root, 'app']));
    expect(parseTar(tar).find((each) => each.path === deep)?.content).toEqual(encodeUtf8('deep'));
    expect(parseUtf8(parseComposeArchive(tar).compose)).toBe('services: {}');
  });

  it('refuse damaged headers and entries that are cut off', () => {
    const tar = encodeTar([file('a', 'x'.repeat(600))]);
    const damaged = tar.slice();
    damaged[3] = 1;
    expect(() => parseTar(damaged)).toThrow(expect.objectContaining({ code: 'margo/bad-archive' }));
    expect(() => parseTar(tar.subarray(0, 700))).toThrow(expect.objectContaining({ code: 'margo/bad-archive' }));
  });

  it('give a value or a Fault for any damage', () => {
    const tar = archive(entry('app/link', '2', 'compose.yaml'));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(tar.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }), (edits) => {
        const damaged = tar.slice();
        for (const [index, byte] of edits) damaged[index] = byte;
        const sum = damaged.subarray(0, 512).reduce((t, b, i) => t + (i >= 148 && i < 156 ? 32 : b), 0);
        damaged.set(encodeUtf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
        try {
          parseComposeArchive(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('parseComposeArchive', () => {
  it('finds compose.yaml in the only top-level directory', () => {
    expect(parseComposeArchive(archive(entry('./app', '5')))).toEqual({
      directory: 'app',
      compose: encodeUtf8('services: {}'),
      findings: [],
    });
  });

  it('reports another name of the Compose file', () => {
    expect(parseComposeArchive(encodeTar([file('a/docker-compose.yml')])).findings).toHaveLength(1);
  });

  it('allows links that stay inside', () => {
    const tar = archive(entry('app/x/link', '2', '../compose.yaml'), entry('app/hard', '1', 'app/compose.yaml'));
    expect(parseComposeArchive(tar).directory).toBe('app');
  });

  it.each([
    ['an absolute path', entry('/app/x', '0')],
    ['a path that climbs', entry('app/../../x', '0')],
    ['a symbolic link out', entry('app/x', '2', '../../etc')],
    ['an absolute symbolic link', entry('app/x', '2', '/etc')],
    ['a symbolic link that climbs behind a name', entry('app/x', '2', 'd/s/../..')],
    ['a hard link out', entry('app/x', '1', 'etc/passwd')],
    ['a file below a symbolic link', concatBytes(entry('app/d', '2', '.'), entry('app/d/x', '0'))],
    ['a setuid file', entry('app/x', '0', '', 0o4755)],
    ['a device', entry('app/x', '3')],
  ])('refuses %s', (_, bytes) => {
    expect(() => parseComposeArchive(archive(bytes))).toThrow(
      expect.objectContaining({ code: 'margo/unsafe-archive' }),
    );
  });

  it.each([
    ['two top-level directories', archive(entry('other', '5'))],
    ['a file beside the directory', archive(entry('README', '0'))],
    ['nothing', new Uint8Array(1024)],
  ])('refuses %s', (_, tar) => {
    expect(() => parseComposeArchive(tar)).toThrow(expect.objectContaining({ code: 'margo/bad-archive' }));
  });

  it('refuses an archive without a Compose file', () => {
    expect(() => parseComposeArchive(encodeTar([file('a/b')]))).toThrow(
      expect.objectContaining({ code: 'margo/not-a-compose-file' }),
    );
  });
});

describe('parseChartArchive', () => {
  it('finds Chart.yaml and values.yaml', () => {
    const tar = encodeTar([
      file('c/Chart.yaml', 'name: c'),
      file('c/values.yaml', 'a: b'),
      file('c/charts/d/Chart.yaml', 'name: d'),
    ]);
    expect(parseChartArchive(tar)).toEqual({
      directory: 'c',
      chart: encodeUtf8('name: c'),
      values: encodeUtf8('a: b'),
    });
  });

  it('refuses an archive without Chart.yaml', () => {
    expect(() => parseChartArchive(encodeTar([compose]))).toThrow(
      expect.objectContaining({ code: 'margo/not-a-chart' }),
    );
  });
});
