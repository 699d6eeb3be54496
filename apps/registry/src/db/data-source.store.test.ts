import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, describe, expect, inject, it } from 'vitest';
import { openDatabase } from './data-source.ts';
import { Db } from './db.ts';

/** Who may log in, and how, is as the embedded server has it. */
const { cluster } = inject('postgres');
const isOutside = 'url' in cluster;
const socketDirectory = isOutside ? '' : cluster.socketDirectory;

describe.skipIf(isOutside)('openDatabase', () => {
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  const urlOf = (user: string, database: string) =>
    `postgres://${user}:secret@/${database}?host=${encodeURIComponent(socketDirectory)}`;

  async function administer(...statements: string[]): Promise<void> {
    const client = new Client({ host: socketDirectory, user: 'margo', database: 'postgres' });
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  }

  async function listen(talk: (socket: Socket) => void): Promise<string> {
    const server = createServer(talk).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return `postgres://u:secret@127.0.0.1:${(server.address() as AddressInfo).port}/x`;
  }

  async function refusalOf(url: string): Promise<string> {
    const error: unknown = await openDatabase({ url }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'StartError' });
    const { message } = error as Error;
    expect(message).not.toContain('secret');
    return message;
  }

  it.each([
    ['a port where nobody is', 'postgres://u:secret@127.0.0.1:9/x', /ECONNREFUSED .*:9\. Check that PostgreSQL runs/],
    ['a name nobody has', 'postgres://u:secret@nowhere.invalid/x', /nowhere\.invalid\. Check the name of the host\.$/],
    ['no URL', 'postgres://u:secret#1@host/x', /Invalid URL\. Write postgres:.* percent-encoded\.$/],
    ['a broken escape', 'postgres://%zz:secret@127.0.0.1:9/x', /cannot be used: .* Check /],
    ['another user', urlOf('stranger', 'postgres'), /role "stranger" does not exist\. Check the user/],
    ['another database', urlOf('margo', 'nothing'), /database "nothing" does not exist\. Create the database/],
  ])('says what is wrong with %s', async (_what, url, sentence) => {
    expect(await refusalOf(url)).toMatch(sentence);
  });

  it('says so when the server hangs up', async () => {
    const url = await listen((socket) => socket.once('data', () => socket.destroy()));
    expect(await refusalOf(url)).toMatch(/cannot be used: .+\. Check the address and the password\.$/);
  });

  it('refuses PostgreSQL 14', async () => {
    const url = await listen(oldServer);
    expect(await refusalOf(url)).toBe('PostgreSQL 15 or newer is needed; the server of DATABASE_URL has 14.20.');
  });

  it('asks for the server that can be written to', async () => {
    const database = `d_${randomBytes(6).toString('hex')}`;
    await administer(
      `CREATE DATABASE ${database}`,
      `ALTER DATABASE ${database} SET default_transaction_read_only = on`,
    );
    expect(await refusalOf(urlOf('margo', database))).toMatch(/read-only transaction\. Name the primary server/);
  });

  it('says which rights are missing, before and after others have made the schema', async () => {
    const [database, poor] = ['d', 'poor'].map((name) => `${name}_${randomBytes(6).toString('hex')}`) as [
      string,
      string,
    ];
    await administer(`CREATE ROLE ${poor} LOGIN`, `CREATE DATABASE ${database}`);
    const url = urlOf(poor, database);
    expect(await refusalOf(url)).toMatch(/permission denied for schema public\. Let the service's user own/);

    const source = await openDatabase({ url: urlOf('margo', database) });
    await source.query(`GRANT CREATE ON SCHEMA public TO ${poor}`);
    await source.destroy();
    expect(await refusalOf(url)).toMatch(/relation "migrations" already exists\. Let the service's user own/);
  });
});

describe.skipIf(isOutside)('a connection pool', () => {
  it('outlives a server that greets and dies in one breath, and says what can be tried again', async () => {
    const database = `d_${randomBytes(6).toString('hex')}`;
    const admin = new Client({ host: socketDirectory, user: 'margo', database: 'postgres' });
    await admin.connect();
    await admin.query(`CREATE DATABASE ${database}`);
    await admin.end();
    let isDying = false;
    const proxy = createServer((socket) => {
      const server = connect(join(socketDirectory, '.s.PGSQL.5432'));
      for (const end of [socket, server])
        end.on('error', () => undefined).on('close', () => [socket, server].forEach((one) => one.destroy()));
      socket.pipe(server);
      server.on('data', (data) => {
        const isGreeting = data.subarray(-6).equals(Buffer.from('5a0000000549', 'hex')); // ready for the first query
        if (isDying && isGreeting) socket.end(Buffer.concat([data, FAREWELL]));
        else socket.write(data);
      });
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const source = await openDatabase({ url: `postgres://margo@127.0.0.1:${port}/${database}` });
    try {
      const db = new Db(source);
      const holders = [source.createQueryRunner(), source.createQueryRunner()];
      for (const holder of holders) await holder.connect(); // the next ones need new connections
      isDying = true;
      await expect(db.query('SELECT 1')).rejects.toMatchObject({ code: 'database/interrupted' });
      await expect(db.transaction((tx) => tx.query('SELECT 1'))).rejects.toMatchObject({
        code: 'database/interrupted',
      });
      isDying = false;
      expect(await db.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
      for (const holder of holders) await holder.release();
    } finally {
      await source.destroy();
      proxy.close();
    }
  });
});

/** What every backend says when its postmaster is gone, as an ErrorResponse (57P01). */
const FAREWELL = (() => {
  const fields = 'SFATAL\0VFATAL\0C57P01\0Mterminating connection due to unexpected postmaster exit\0\0';
  const head = Buffer.alloc(5, 'E');
  head.writeUInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, Buffer.from(fields)]);
})();

/** Lets everybody in and answers each query with one row: the version. */
function oldServer(socket: Socket): void {
  const message = (type: string, body: Buffer) => {
    const head = Buffer.alloc(5, type);
    head.writeUInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const ready = message('Z', Buffer.from('I'));
  const column = Buffer.concat([
    Buffer.from('server_version\0'),
    Buffer.alloc(6),
    Buffer.from([0, 0, 0, 25]),
    Buffer.alloc(8),
  ]);
  const value = Buffer.concat([Buffer.from([0, 1, 0, 0, 0, 5]), Buffer.from('14.20')]);
  const row = Buffer.concat([
    message('T', Buffer.concat([Buffer.from([0, 1]), column])),
    message('D', value),
    message('C', Buffer.from('SHOW\0')),
  ]);
  socket.once('data', () => {
    socket.write(Buffer.concat([message('R', Buffer.alloc(4)), ready]));
    socket.on('data', (data) => {
      if (data[0] === 0x51) socket.write(Buffer.concat([row, ready])); // 'Q', a simple query
    });
  });
}
