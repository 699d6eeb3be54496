import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { encodeUtf8 } from '@margo-trust/bytes';
import { MEDIA } from '@margo-trust/margo';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  attachReferrer,
  describe as describeBytes,
  findSignatures,
  OciRegistry,
  type RegistryOptions,
} from '../src/index.ts';
import { close, listen } from './docker-registry.ts';
import { artifact, collectAll, json } from './samples.ts';

/** Answers that no registry should give, and some that old or busy ones do. */
type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let answer: Answer;
let host: string;
let otherHost: string;
const seen: {
  readonly to: string;
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
}[] = [];

const record = (to: string) => (request: IncomingMessage, response: ServerResponse) => {
  seen.push({
    to,
    method: request.method ?? '',
    path: request.url ?? '',
    authorization: request.headers.authorization,
  });
  request.resume();
  request.on('end', () => answer(request, response));
};
const server = createServer(record('registry'));
const other = createServer(record('other'));

beforeAll(async () => {
  host = `127.0.0.1:${await listen(server)}`;
  otherHost = `127.0.0.1:${await listen(other)}`;
});
afterAll(async () => {
  await close(server);
  await close(other);
});
beforeEach(() => void (seen.length = 0));

const open = (options: RegistryOptions = {}) => new OciRegistry(host, 'acme/app', { idleSeconds: 5, ...options });
const credentials = () => Promise.resolve({ username: 'acme', password: 'secret' });
const send =
  (status: number, headers: Record<string, string> = {}, body: Uint8Array | string = ''): Answer =>
  (_, response) =>
    void response.writeHead(status, headers).end(body);
const sample = artifact('one');
const layer = sample.blobs[1]!;
const empty = json({ schemaVersion: 2, mediaType: MEDIA.index, manifests: [] });
const asIndex = { 'content-type': MEDIA.index };
const asManifest = { 'content-type': MEDIA.manifest };

describe('manifests', () => {
  it('sends a manifest again when a busy registry misreads its own link, and gives up after three times', async () => {
    const invalid = send(400, { 'content-type': 'application/json' }, '{"errors":[{"code":"DIGEST_INVALID"}]}');
    const puts = () => seen.filter(({ method }) => method === 'PUT').length;
    answer = (request, response) => (puts() < 3 ? invalid : send(201))(request, response);
    await expect(open().writeManifest(sample.manifest)).resolves.toMatchObject({ digest: sample.descriptor.digest });
    expect(puts()).toBe(3);

    seen.length = 0;
    answer = invalid;
    await expect(open().writeManifest(sample.manifest)).rejects.toMatchObject({
      code: 'oci/refused',
      message: expect.stringContaining('DIGEST_INVALID') as string,
    });
    expect(puts()).toBe(3);

    seen.length = 0;
    answer = send(400, { 'content-type': 'application/json' }, '{"errors":[{"code":"MANIFEST_INVALID"}]}');
    await expect(open().writeManifest(sample.manifest)).rejects.toMatchObject({ code: 'oci/refused' });
    expect(puts()).toBe(1);
  });

  it('refuses other bytes than the digest asked for', async () => {
    answer = send(200, asManifest, artifact('two').manifest);
    await expect(open().resolve(sample.descriptor.digest)).rejects.toMatchObject({ code: 'oci/digest-mismatch' });
  });

  it('refuses other bytes than the digest that the registry itself names for a tag', async () => {
    answer = send(200, { ...asManifest, 'docker-content-digest': sample.descriptor.digest }, artifact('two').manifest);
    await expect(open().resolve('v1')).rejects.toMatchObject({ code: 'oci/digest-mismatch' });
  });

  it('refuses a manifest delivered as an index, and a web page', async () => {
    answer = send(200, asIndex, sample.manifest);
    await expect(open().resolve('v1')).rejects.toMatchObject({ code: 'oci/bad-manifest' });
    answer = send(200, { 'content-type': 'text/html' }, '<html>log in</html>');
    await expect(open().resolve('v1')).rejects.toMatchObject({ code: 'oci/bad-manifest' });
  });

  it('stops reading what is too large, announced or not', async () => {
    answer = send(200, { ...asManifest, 'content-length': '99999999' });
    await expect(open().resolve('v1')).rejects.toMatchObject({ code: 'oci/too-large' });
    answer = (_, response) => {
      response.writeHead(200, asManifest);
      const timer = setInterval(() => response.write(' '.repeat(1_000_000)), 1);
      response.on('close', () => clearInterval(timer));
    };
    await expect(open().resolve('v1')).rejects.toMatchObject({ code: 'oci/too-large' });
  });

  it('follows no redirect', async () => {
    answer = send(307, { location: `http://${otherHost}/x` });
    await expect(open().resolve('v1')).rejects.toMatchObject({ code: 'oci/redirect-refused' });
    expect(seen).toHaveLength(1);
  });

  it('refuses references that could leave the repository', async () => {
    await expect(open().resolve('../../other/manifests/v1')).rejects.toMatchObject({ code: 'oci/bad-reference' });
    expect(() => new OciRegistry(host, '../x')).toThrow(expect.objectContaining({ code: 'oci/bad-reference' }));
    expect(seen).toHaveLength(0);
  });
});

describe('blobs', () => {
  const code = async (body: Answer) => {
    answer = body;
    return open()
      .loadBlob(layer.descriptor)
      .then(
        () => undefined,
        (fault: { code: string }) => fault.code,
      );
  };

  it('refuses more, less and other than was described', async () => {
    expect(await code(send(200, {}, 'one and more'))).toBe('oci/size-mismatch');
    expect(await code(send(200, {}, 'o'))).toBe('oci/size-mismatch');
    expect(await code(send(200, {}, 'two'))).toBe('oci/digest-mismatch');
    expect(await code(send(200, { 'content-encoding': 'gzip' }, gzipSync(Buffer.alloc(50_000_000))))).toBe(
      'oci/size-mismatch',
    );
    expect(await code(send(200, {}, 'one'))).toBeUndefined();
  });

  it('follows redirects without taking the login to another host', async () => {
    answer = (request, response) => {
      if (request.headers.host === otherHost) response.end('one');
      else if (request.headers.authorization)
        response.writeHead(307, { location: `http://${otherHost}/storage?sig=1` }).end();
      else response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
    };
    expect(await open({ credentials }).loadBlob(layer.descriptor)).toEqual(encodeUtf8('one'));
    expect(seen.map(({ to, authorization }) => [to, authorization !== undefined])).toEqual([
      ['registry', false],
      ['registry', true],
      ['other', false],
    ]);
  });

  it('refuses redirects in circles, to plain HTTP elsewhere and with credentials in them', async () => {
    expect(await code((request, response) => void response.writeHead(302, { location: request.url }).end())).toBe(
      'oci/redirect-refused',
    );
    expect(await code(send(302, { location: 'http://storage.example/x' }))).toBe('oci/insecure');
    expect(await code(send(302, { location: 'ftp://127.0.0.1/x' }))).toBe('oci/insecure');
    expect(await code(send(302, { location: `http://a:b@${otherHost}/x` }))).toBe('oci/bad-answer');
    expect(await code(send(302, { location: 'http://[' }))).toBe('oci/bad-answer');
  });

  it('does not take the login to the host that an upload is continued on', async () => {
    answer = (request, response) => {
      if (request.method === 'HEAD') response.writeHead(404).end();
      else if (request.method === 'POST')
        response.writeHead(202, { location: `http://${otherHost}/upload?state=1` }).end();
      else response.writeHead(201).end();
    };
    const place = open({ credentials });
    await place.writeBlob(layer.descriptor, layer.data);
    expect(seen.at(-1)).toMatchObject({ to: 'other', method: 'PUT', authorization: undefined });
    expect(seen.at(-1)?.path).toContain('state=1&digest=sha256%3A');
  });
});

describe('logins', () => {
  it('are tried once', async () => {
    answer = send(401, { 'www-authenticate': 'Basic realm="r"' });
    await expect(open({ credentials }).resolve('v1')).rejects.toMatchObject({ code: 'oci/unauthorized' });
    expect(seen).toHaveLength(2);
  });

  it.each([
    ['a token service without TLS', 'Bearer realm="http://tokens.example/"', 'oci/insecure'],
    ['a token service that is no URL', 'Bearer realm="nowhere"', 'oci/bad-answer'],
    ['no token service', 'Bearer', 'oci/bad-answer'],
    ['an unknown scheme', 'Negotiate', 'oci/unauthorized'],
    ['no challenge', undefined, 'oci/unauthorized'],
  ])('refuse %s', async (_, challenge, code) => {
    answer = send(401, challenge ? { 'www-authenticate': challenge } : {});
    await expect(open({ credentials }).resolve('v1')).rejects.toMatchObject({ code });
  });

  it('refuse a token that would break a header, and prefer tokens to passwords', async () => {
    answer = (request, response) => {
      if (request.url?.startsWith('/token')) response.end(JSON.stringify({ token: 'a\r\nb: c' }));
      else
        response
          .writeHead(401, {
            'www-authenticate': `Basic realm="r", Bearer realm="http://${otherHost}/token",service="s"`,
          })
          .end();
    };
    await expect(open().resolve('v1')).rejects.toMatchObject({ code: 'oci/bad-answer' });
    expect(seen.at(-1)?.path).toBe('/token?service=s&scope=repository%3Aacme%2Fapp%3Apull');
  });
});

describe('silence and haste', () => {
  it('gives up on a server that does not answer, or stops in the middle', async () => {
    answer = () => undefined;
    await expect(open({ idleSeconds: 0.2 }).resolve('v1')).rejects.toMatchObject({ code: 'oci/unreachable' });
    answer = (_, response) => void response.writeHead(200, { 'content-length': '3' }).write('o');
    await expect(open({ idleSeconds: 0.2 }).loadBlob(layer.descriptor)).rejects.toMatchObject({
      code: 'oci/unreachable',
    });
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': '3' });
      response.write('o', () => response.destroy());
    };
    await expect(open().loadBlob(layer.descriptor)).rejects.toMatchObject({ code: 'oci/unreachable' });
  });

  it('says that nobody listens', async () => {
    await expect(new OciRegistry('127.0.0.1:1', 'a').resolve('v1')).rejects.toMatchObject({ code: 'oci/unreachable' });
  });

  it('asks a busy server again, but not for ever', async () => {
    let left = 2;
    answer = (_, response) => {
      if (left-- > 0) response.writeHead(429, { 'retry-after': '0' }).end();
      else response.writeHead(200, asManifest).end(sample.manifest);
    };
    expect(await open().resolve('v1')).toEqual(sample.descriptor);
    answer = send(503, { 'retry-after': '0' });
    await expect(open().resolve('v1')).rejects.toMatchObject({ code: 'oci/busy' });
    expect(seen).toHaveLength(6);
  });
});

describe('referrers', () => {
  const digest = sample.descriptor.digest;
  const entry = (text: string, artifactType?: string) => {
    const { descriptor } = artifact(text);
    const { mediaType, digest: of, size } = descriptor;
    return { mediaType, digest: of, size, ...(artifactType && { artifactType }) };
  };
  const list = (...manifests: object[]) => json({ schemaVersion: 2, mediaType: MEDIA.index, manifests });

  it('reads page after page, and filters even if the registry does not', async () => {
    answer = (request, response) => {
      const isFirst = !request.url?.includes('page=2');
      const headers = isFirst ? { ...asIndex, link: `<${request.url}&page=2>; rel="next"` } : asIndex;
      response
        .writeHead(200, headers)
        .end(isFirst ? list(entry('a', 'x/y'), entry('b', 'x/z')) : list(entry('c', 'x/y'), entry('d')));
    };
    const found = await open().referrers(digest, 'x/y');
    expect(found.map(({ digest: of }) => of)).toEqual([entry('a'), entry('c'), entry('d')].map(({ digest: of }) => of));
    expect(seen[0]?.path).toBe(`/v2/acme/app/referrers/${digest}?artifactType=x%2Fy`);
  });

  it('never takes a busy or failing registry for one without signatures', async () => {
    answer = send(503, { 'retry-after': '0' });
    await expect(collectAll(findSignatures(open(), sample.descriptor))).rejects.toMatchObject({ code: 'oci/busy' });
    answer = send(403);
    await expect(collectAll(findSignatures(open(), sample.descriptor))).rejects.toMatchObject({
      code: 'oci/unauthorized',
    });
  });

  it.each([
    ['404', send(404)],
    ['400', send(400)],
    ['a web page', send(200, { 'content-type': 'text/html' }, '<html>')],
    ['a redirect', send(303, { location: '/docs' })],
  ])('takes %s for a registry without the API and reads the tag', async (_, refuse) => {
    answer = (request, response) => {
      if (request.url?.includes('/referrers/')) refuse(request, response);
      else response.writeHead(200, asIndex).end(list(entry('a', 'x/y')));
    };
    expect(await open().referrers(digest)).toEqual([entry('a', 'x/y')]);
    expect(seen.at(-1)?.path).toBe(`/v2/acme/app/manifests/sha256-${digest.slice(7)}`);
  });

  it('refuses lists that never end or go on elsewhere', async () => {
    answer = (request, response) =>
      void response.writeHead(200, { ...asIndex, link: `<${request.url}>; rel=next` }).end(empty);
    await expect(open().referrers(digest)).rejects.toMatchObject({ code: 'oci/too-many' });
    answer = send(200, { ...asIndex, link: `<http://${otherHost}/x>; rel="next"` }, empty);
    await expect(open().referrers(digest)).rejects.toMatchObject({ code: 'oci/redirect-refused' });
    answer = send(200, asIndex, list({ ...entry('a'), digest: 'sha256:../..' }));
    await expect(open().referrers(digest)).rejects.toMatchObject({ code: 'oci/bad-digest' });
  });

  /** A registry that keeps one manifest per name; `lost` writes of the referrers tag are overwritten at once. */
  const store = (lost: number, extra: Record<string, string> = {}): Answer => {
    const manifests = new Map<string, string>();
    let left = lost;
    return (request, response) => {
      const name = request.url?.split('/manifests/')[1];
      if (request.url?.includes('/blobs/')) response.writeHead(200).end();
      else if (!name) response.writeHead(404).end();
      else if (request.method === 'PUT') {
        if (!name.startsWith('sha256-') || left-- <= 0) manifests.set(name, 'stored');
        response.writeHead(201, name.startsWith('sha256-') ? {} : extra).end();
      } else if (manifests.has(name)) response.writeHead(200, asIndex).end(list(noteEntry));
      else response.writeHead(404).end();
    };
  };
  const note = { subject: sample.descriptor, artifactType: 'x/y', layers: [] };
  let noteEntry: object = {};

  it('writes the referrers tag again when another client overwrote it', async () => {
    answer = store(0, { 'oci-subject': digest });
    noteEntry = await attachReferrer(open(), note);
    seen.length = 0;
    answer = store(2);
    await attachReferrer(open(), note);
    expect(seen.filter(({ method, path }) => method === 'PUT' && path.includes('sha256-'))).toHaveLength(3);
    answer = store(99);
    await expect(attachReferrer(open(), note)).rejects.toMatchObject({ code: 'oci/write-conflict' });
  });

  it('leaves the list to a registry that keeps it', async () => {
    answer = store(0, { 'oci-subject': digest });
    await attachReferrer(open(), note);
    expect(seen.filter(({ method, path }) => method === 'PUT' && path.includes('sha256-'))).toEqual([]);
  });
});

describe('tags', () => {
  it('leaves out what is no tag', async () => {
    answer = send(
      200,
      { 'content-type': 'application/json' },
      JSON.stringify({ tags: ['v1', '../x', 7, null, 'a b'] }),
    );
    expect(await open().tags()).toEqual(['v1']);
    answer = send(200, {}, '[]');
    await expect(open().tags()).rejects.toMatchObject({ code: 'oci/bad-answer' });
  });
});

describe('plain HTTP', () => {
  it('is for loopback hosts and those that were named', async () => {
    await expect(new OciRegistry('registry.invalid', 'a').resolve('v1')).rejects.toMatchObject({
      code: 'oci/unreachable',
    });
    answer = send(200, asManifest, sample.manifest);
    const named = new OciRegistry(host, 'acme/app', { plainHttp: ['registry.example'] });
    expect(await named.resolve('v1')).toEqual(sample.descriptor);
    expect(describeBytes(sample.manifest, MEDIA.manifest).digest).toBe(sample.descriptor.digest);
  });
});
