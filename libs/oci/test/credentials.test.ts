import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { dockerCredentials } from '../src/index.ts';
import { readChallenges } from '../src/challenge.ts';
import { temporaryDirectory } from './samples.ts';

const root = temporaryDirectory();
const bin = join(root, 'bin');
mkdirSync(bin);
const oldPath = process.env['PATH'];
process.env['PATH'] = `${bin}${delimiter}${oldPath}`;
afterAll(() => void (process.env['PATH'] = oldPath));

let count = 0;
function store(config: unknown) {
  const file = join(root, `config-${count++}.json`);
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config));
  return dockerCredentials(file);
}
function helper(name: string, script: string) {
  const path = join(bin, `docker-credential-${name}`);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}
const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('dockerCredentials', () => {
  it('reads what docker login writes', async () => {
    const find = store({
      auths: {
        'registry.example': { auth: base64('acme:se:cret') },
        'registry.example:5000': { username: 'u', password: 'p' },
        'https://index.docker.io/v1/': { auth: base64('hub:pass') },
        'token.example': { auth: base64('x:'), identitytoken: 'refresh' },
        'empty.example': {},
      },
    });
    expect(await find('registry.example')).toEqual({ username: 'acme', password: 'se:cret' });
    expect(await find('registry.example:5000')).toEqual({ username: 'u', password: 'p' });
    expect(await find('docker.io')).toEqual({ username: 'hub', password: 'pass' });
    expect(await find('token.example')).toEqual({ identityToken: 'refresh' });
    expect(await find('empty.example')).toBeUndefined();
    expect(await find('other.example')).toBeUndefined();
    expect(await find('constructor')).toBeUndefined();
  });

  it('has none where there is no file', async () => {
    expect(await dockerCredentials(join(root, 'missing'))('registry.example')).toBeUndefined();
  });

  it('asks the helper of the registry, then the store, then the file', async () => {
    helper('one', 'read key; echo "{\\"Username\\":\\"$key\\",\\"Secret\\":\\"s\\"}"');
    helper('two', 'echo "credentials not found in native keychain"; exit 1');
    helper('three', 'echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"refresh\\"}"');
    const find = store({
      credHelpers: { 'a.example': 'one', 'b.example': 'two' },
      credsStore: 'three',
      auths: { 'b.example': { auth: base64('u:p') } },
    });
    expect(await find('a.example')).toEqual({ username: 'a.example', password: 's' });
    expect(await find('b.example')).toEqual({ username: 'u', password: 'p' });
    expect(await find('c.example')).toEqual({ identityToken: 'refresh' });
  });

  it.each([
    ['a file that is no JSON', '{'],
    ['an auth that is not base64', { auths: { 'registry.example': { auth: '!!' } } }],
    ['an auth without a colon', { auths: { 'registry.example': { auth: base64('user') } } }],
    ['a helper with a path for a name', { credsStore: '../../bin/sh' }],
    ['a helper that is not there', { credsStore: 'nowhere' }],
  ])('refuses %s', async (_, config) => {
    await expect(store(config)('registry.example')).rejects.toMatchObject({ code: 'oci/bad-credentials' });
  });
});

describe('readChallenges', () => {
  it('reads several challenges, quoted and not', () => {
    const found = readChallenges('Basic realm="a, b=\\"c\\"", Bearer realm=https://t.example/x,Service="s"');
    expect(found.map(({ scheme, parameters }) => [scheme, ...parameters])).toEqual([
      ['basic', ['realm', 'a, b="c"']],
      ['bearer', ['realm', 'https://t.example/x'], ['service', 's']],
    ]);
  });

  it('takes no longer for a hostile header', () => {
    const start = performance.now();
    readChallenges('a="'.repeat(100_000) + '\\'.repeat(100_000));
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
