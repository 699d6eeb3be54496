import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { encodeUtf8 } from '@margo-trust/bytes';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { flawOfOutsideUrl, ForbiddenAddress, postOutside } from './post-outside.ts';

describe('calling an address of a stranger', () => {
  let server: Server;
  let port: number;
  let heard: { url: string | undefined; host: string | undefined; body: string }[];
  let answer: (request: IncomingMessage) => { status: number; headers?: Record<string, string>; body?: Buffer };
  beforeAll(async () => {
    server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        heard.push({ url: request.url, host: request.headers.host, body: Buffer.concat(parts).toString() });
        const { status, headers = {}, body } = answer(request);
        response.writeHead(status, headers).end(body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => server.close());
  beforeEach(() => {
    heard = [];
    answer = () => ({ status: 204 });
  });
  const open = { allowsLoopback: true };
  const post = (url: string, rules: Parameters<typeof postOutside>[3] = open) =>
    postOutside(url, { 'x-test': '1' }, encodeUtf8('hello'), rules);

  it('sends the body and tells the status', async () => {
    expect(await post(`http://127.0.0.1:${port}/hook?a=1`)).toBe(204);
    expect(heard).toEqual([{ url: '/hook?a=1', host: `127.0.0.1:${port}`, body: 'hello' }]);
  });

  it('asks for the name once, and connects to that address under that name', async () => {
    const asked: string[] = [];
    const resolve = (name: string) => Promise.resolve(asked.push(name) > 1 ? ['10.0.0.1'] : ['127.0.0.1']);
    expect(await post(`http://hook.example:${port}/`, { ...open, resolve })).toBe(204);
    expect(asked).toEqual(['hook.example']);
    expect(heard[0]?.host).toBe(`hook.example:${port}`);
  });

  it.each([
    ['10.0.0.1'],
    ['169.254.169.254'],
    ['93.184.216.34', '192.168.0.1'],
    ['::ffff:127.0.0.1'],
    ['64:ff9b::a00:1'],
    ['fd00::1'],
  ])('refuses a name that leads to %s %s', async (...addresses) => {
    const rules = { allowsLoopback: false, resolve: () => Promise.resolve(addresses) };
    await expect(post('https://hook.example/', rules)).rejects.toThrow(ForbiddenAddress);
    expect(heard).toEqual([]);
  });

  it('follows no redirect', async () => {
    answer = () => ({ status: 302, headers: { location: `http://127.0.0.1:${port}/inside` } });
    expect(await post(`http://127.0.0.1:${port}/`)).toBe(302);
    expect(heard).toHaveLength(1);
  });

  it('reads no more of an answer than it must', async () => {
    answer = () => ({ status: 200, body: Buffer.alloc(5_000_000) });
    expect(await post(`http://127.0.0.1:${port}/`)).toBe(200);
  });

  it.each([
    ['http://hook.example/', /https/],
    ['ftp://hook.example/', /https/],
    ['https://user:pw@hook.example/', /user/],
    ['https://hook.example/#a', /fragment/],
    ['https://localhost/', /full host name/],
    ['https://127.0.0.1/', /public/],
    ['https://2130706433/', /public/],
    ['https://0x7f.1/', /public/],
    ['https://[::1]/', /public/],
    ['https://[::ffff:8.8.8.8]/', /public/],
    ['https://169.254.169.254/latest/meta-data', /public/],
    ['nothing', /not a URL/],
  ])('knows at once that %s is not possible', async (url, reason) => {
    expect(flawOfOutsideUrl(url, { allowsLoopback: false })).toMatch(reason);
    await expect(post(url, { allowsLoopback: false })).rejects.toThrow(ForbiddenAddress);
  });

  it('takes a public address for possible', () => {
    expect(flawOfOutsideUrl('https://hooks.example/a?b=c', { allowsLoopback: false })).toBeUndefined();
    expect(flawOfOutsideUrl('https://8.8.8.8:8443/', { allowsLoopback: false })).toBeUndefined();
  });
});
