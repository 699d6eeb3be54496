import { createHmac } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LogDeliveryList, LogSubscription, LogSubscriptionList } from '@margo-trust/wire';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TestCli } from '../../../../test/cli.ts';
import { admitVendor, call as callApi } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { FixedClock } from '../clock.ts';
import { Db } from '../db/db.ts';
import { AppendRecord } from '../log/append-record.ts';
import { DeliverNotifications } from './deliver-notifications.ts';

interface Event {
  headers: IncomingHttpHeaders;
  body: string;
  id: string;
  subject: string;
}

describe('notifications of the log', () => {
  const clock = new FixedClock(new Date('2026-11-01T12:00:00Z'));
  let registry: TestRegistry;
  let vendor: string;
  let receiver: Server;
  let url: string;
  let heard: Event[];
  let answer: (event: Event) => number;

  beforeAll(async () => {
    registry = await startTestRegistry({ env: { WEBHOOK_LOOPBACK: 'allow' }, clock });
    vendor = await admitVendor(registry);
    receiver = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts).toString();
        const { id, subject } = JSON.parse(body) as Event;
        const event = { headers: request.headers, body, id, subject };
        heard.push(event);
        response.writeHead(answer(event)).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  });
  afterAll(async () => {
    receiver?.close();
    await registry?.close();
  });
  beforeEach(async () => {
    heard = [];
    answer = () => 204;
    await registry.source.query('DELETE FROM log_subscription');
  });

  const call = async <T>(method: 'get' | 'post' | 'delete', path: string, account: string, body?: object) => {
    const answered = await callApi(registry, method, `/api/v1/log/subscriptions${path}`, account, body);
    return { status: answered.status, body: answered.body as T };
  };
  const begin = async (filter: object = {}, account = 'alice', organisation = 'margo') => {
    const made = await call<LogSubscription>('post', '', account, { organisation, url, ...filter });
    expect(made.status).toBe(201);
    return made.body;
  };
  const append = (subject: string, facts: { vendorId?: string; mentions?: string[] } = {}) =>
    registry.app
      .get(Db)
      .transaction((tx) => registry.app.get(AppendRecord).run(tx, { subject, payload: { at: subject }, ...facts }));
  /** As the worker does each second, and waits until all is said. */
  const deliver = async () => {
    const notifications = registry.app.get(DeliverNotifications);
    if (await notifications.isDue()) await notifications.run();
    await notifications.settle();
  };
  const later = (seconds: number) => clock.moveTo(new Date(clock.now().getTime() + seconds * 1_000));
  const subjects = () => heard.map(({ subject }) => subject);
  const only = async () => (await call<LogSubscriptionList>('get', '', 'alice')).body.items[0]!;

  it('come as CloudEvents, in order, signed so that the receiver can check', async () => {
    const { secret = '', id } = await begin();
    const names = ['vendor:a', 'vendor:b', 'vendor:c'];
    for (const name of names) await append(name);
    await deliver();
    expect(subjects()).toEqual(names);
    for (const { headers, body, id: index } of heard) {
      expect(headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
      expect(headers['webhook-id']).toBe(`${id}_${index}`);
      const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
      const mac = createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64')).update(signed);
      expect(headers['webhook-signature']).toBe(`v1,${mac.digest('base64')}`);
      expect(headers['webhook-timestamp']).toBe(String(clock.now().getTime() / 1_000));
      const event = JSON.parse(body) as Record<string, unknown>;
      expect(event).toMatchObject({ specversion: '1.0', source: 'https://registry.localhost/log', id: index });
      expect(event['data']).toMatchObject({ index });
    }
    await deliver();
    expect(heard).toHaveLength(3);
    expect((await only()).secret).toBeUndefined();
  });

  it('come for what was asked for only', async () => {
    const digest = `sha256:${'d'.repeat(64)}`;
    await begin({ vendor });
    await begin({ digest });
    await append('vendor:other');
    await append('vendor:own', { vendorId: vendor });
    await append('vendor:digest', { mentions: [digest] });
    await deliver();
    expect(subjects().sort()).toEqual(['vendor:digest', 'vendor:own']);
  });

  it('come again until they are taken, ever more rarely, and in order', async () => {
    await begin();
    await append('vendor:first');
    await append('vendor:second');
    answer = () => 500;
    await deliver();
    await deliver();
    expect(subjects()).toEqual(['vendor:first']);
    expect(await only()).toMatchObject({ failures: 1 });
    later(5);
    await deliver();
    later(5); // the second pause is five seconds at least, and ten at most
    await deliver();
    expect(heard.length).toBeLessThanOrEqual(3);
    later(20);
    answer = () => 200;
    await deliver();
    expect(subjects().slice(-2)).toEqual(['vendor:first', 'vendor:second']);
    expect(
      new Set(heard.filter(({ subject }) => subject === 'vendor:first').map(({ headers }) => headers['webhook-id']))
        .size,
    ).toBe(1);
    const { id, failures } = await only();
    expect(failures).toBe(0);
    const { items } = (await call<LogDeliveryList>('get', `/${id}/deliveries`, 'bob')).body;
    expect(items.map(({ outcome, status }) => [outcome, status]).slice(0, 3)).toEqual([
      ['delivered', 200],
      ['delivered', 200],
      ['refused', 500],
    ]);
  });

  it('end after days without success, or when the receiver is gone for good, and can begin again from anywhere', async () => {
    await begin();
    const { index } = await append('vendor:lost');
    answer = () => 503;
    for (let day = 0; day <= 5; day += 1) {
      await deliver();
      later(86_400);
    }
    const { id, disabledAt } = await only();
    expect(disabledAt).toBeDefined();
    const before = heard.length;
    await deliver();
    expect(heard).toHaveLength(before);

    answer = () => 204;
    expect((await call('post', `/${id}/redelivery`, 'alice', { from: '99999999' })).status).toBe(422);
    const revived = await call<LogSubscription>('post', `/${id}/redelivery`, 'alice', { from: index.toString() });
    expect(revived.body).toMatchObject({ failures: 0, position: index.toString() });
    await deliver();
    expect(subjects().at(-1)).toBe('vendor:lost');

    answer = () => 410;
    await append('vendor:gone');
    await deliver();
    expect((await only()).disabledAt).toBeDefined();
  });

  it('make no other wait when one receiver hangs', async () => {
    const hanging = createServer(() => undefined);
    await new Promise<void>((resolve) => hanging.listen(0, '127.0.0.1', resolve));
    const { port } = hanging.address() as AddressInfo;
    await call('post', '', 'alice', { organisation: 'margo', url: `http://127.0.0.1:${port}/` });
    await begin();
    await append('vendor:quick');
    const notifications = registry.app.get(DeliverNotifications);
    await notifications.run();
    for (let i = 0; i < 100 && heard.length === 0; i += 1) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(subjects()).toEqual(['vendor:quick']);
    hanging.closeAllConnections();
    await notifications.settle();
    hanging.close();
  });

  it('belong to an organisation, and nobody else learns of them', async () => {
    const { id } = await begin({}, 'victor', vendor);
    expect((await call('post', '', 'victor', { organisation: 'margo', url })).status).toBe(403);
    expect((await call('post', '', 'alice', { organisation: vendor, url })).status).toBe(403);
    expect((await call<LogSubscriptionList>('get', '', 'alice')).body.items).toEqual([]);
    for (const [method, path, body] of [
      ['get', `/${id}/deliveries`, undefined],
      ['post', `/${id}/redelivery`, { from: '0' }],
      ['delete', `/${id}`, undefined],
    ] as const) {
      expect((await call(method, path, 'alice', body)).status).toBe(404);
    }
    expect((await call('delete', `/${id}`, 'victor')).status).toBe(204);
    expect((await call('delete', `/${id}`, 'victor')).status).toBe(404);
  });

  it('are kept from the command line', async () => {
    const cli = new TestCli();
    const token = (await registry.bearer('alice')).replace('Bearer ', '');
    const run = async (...args: string[]) => {
      const ran = await cli.run(['log', ...args, '--registry', registry.url, '--token', token, '--json']);
      expect(ran.code, ran.stderr).toBe(0);
      return ran.json() as Record<string, unknown>;
    };
    const { subscription } = (await run('subscribe', url, '--organisation', 'margo')) as {
      subscription: LogSubscription;
    };
    expect(subscription).toMatchObject({ organisation: 'margo', url, secret: expect.stringMatching(/^whsec_/) });
    const { id } = subscription;
    const { index } = await append('vendor:command');
    await deliver();
    expect(await run('deliveries', id)).toMatchObject({
      deliveries: [{ index: index.toString(), outcome: 'delivered' }],
    });
    await run('redeliver', id, '--from', index.toString());
    await deliver();
    expect(subjects()).toEqual(['vendor:command', 'vendor:command']);
    expect(await run('subscriptions')).toMatchObject({ subscriptions: [{ id, failures: 0 }] });
    await run('unsubscribe', id);
    expect(await run('subscriptions')).toMatchObject({ subscriptions: [] });
    rmSync(cli.home, { recursive: true, force: true });
  });

  it('are twenty at most for each organisation', async () => {
    for (let i = 0; i < 20; i += 1) await begin();
    const refused = await call<{ code: string }>('post', '', 'alice', { organisation: 'margo', url });
    expect([refused.status, refused.body.code]).toEqual([409, 'subscription/too-many']);
  });

  it('go nowhere inside', async () => {
    for (const inside of [
      'https://10.0.0.1/',
      'https://[fd00::1]/',
      'http://hook.example/x',
      'https://a:b@hook.example/',
    ]) {
      const refused = await call<{ code: string }>('post', '', 'alice', { organisation: 'margo', url: inside });
      // Development allows plain HTTP, but nothing inside.
      if (inside.startsWith('http://')) expect(refused.status).toBe(201);
      else expect([refused.status, refused.body.code]).toEqual([422, 'subscription/address-refused']);
    }
  });
});
