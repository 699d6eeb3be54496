import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';

let counter = 0;

/** An application that nobody else makes. */
function application(change: object = {}): Record<string, unknown> {
  counter += 1;
  return {
    legalName: `Example ${counter} GmbH`,
    country: 'DE',
    state: 'Bavaria',
    personas: ['workload-supplier'],
    securityContact: 'psirt@example.com',
    claims: {
      applicationIdPrefixes: [`com-example${counter}-`],
      ociNamespaces: [`registry.example.com/example${counter}`],
    },
    ...change,
  };
}

describe('vendors', () => {
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startTestRegistry();
  });
  afterAll(() => registry.close());

  const send = async (method: 'get' | 'post' | 'delete', path: string, account?: string, body?: object) => {
    const call = request(registry.url)[method](`/api/v1/vendors${path}`);
    if (account !== undefined) call.set('Authorization', await registry.bearer(account));
    return body === undefined ? call : call.send(body);
  };
  const apply = async (change: object = {}, account = 'victor'): Promise<string> => {
    const response = await send('post', '', account, application(change));
    expect(response.status, response.text).toBe(201);
    return response.body.id as string;
  };
  const approve = (id: string, account: string) => send('post', `/${id}/approvals`, account, { note: 'Checked.' });
  const admit = async (change: object = {}): Promise<string> => {
    const id = await apply(change);
    for (const account of ['alice', 'bob']) {
      const response = await approve(id, account);
      expect(response.status, response.text).toBe(201);
    }
    return id;
  };
  const query = <Row>(sql: string, ...parameters: unknown[]) => registry.source.query<Row[]>(sql, parameters);

  it('takes an application and makes the applicant its owner', async () => {
    const sent = application({ website: 'https://example.com' });
    const response = await send('post', '', 'victor', sent);
    expect(response.status).toBe(201);
    const { id } = response.body as { id: string };
    expect(id).toMatch(/^[0-7][0-9a-hjkmnp-tv-z]{25}$/);
    expect(response.headers['location']).toBe(`/api/v1/vendors/${id}`);
    expect(response.body).toEqual({
      id,
      uri: `https://${id}.vendors.registry.localhost/`,
      legalName: sent['legalName'],
      status: 'submitted',
      subject: { C: 'DE', ST: 'Bavaria', O: sent['legalName'] },
      personas: ['workload-supplier'],
      claims: sent['claims'],
      website: 'https://example.com',
      submittedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      securityContact: 'psirt@example.com',
      approvals: [],
    });
    const me = await request(registry.url)
      .get('/api/v1/me')
      .set('Authorization', await registry.bearer('victor'));
    expect(me.body.memberships).toContainEqual({ organisation: id, role: 'owner' });
  });

  it('needs a sign-in to apply, and governance to decide', async () => {
    const id = await apply();
    expect((await send('post', '', undefined, application())).body.code).toBe('caller/unauthenticated');
    for (const [method, path] of [
      ['post', 'approvals'],
      ['post', 'suspension'],
      ['delete', 'suspension'],
    ] as const) {
      expect((await send(method, `/${id}/${path}`, undefined, {})).status).toBe(401);
      expect((await send(method, `/${id}/${path}`, 'victor', {})).body.code).toBe('caller/forbidden');
    }
  });

  it('admits by the second approval, with a record in the log', async () => {
    const id = await apply();
    const [before] = await query<{ size: string }>('SELECT size FROM log_head');
    const first = await approve(id, 'alice');
    expect([first.status, first.body.status]).toEqual([201, 'submitted']);
    const second = await approve(id, 'bob');
    expect([second.status, second.body.status]).toEqual([201, 'active']);
    expect(second.body.approvals.map((approval: { by: string }) => approval.by)).toEqual(['alice', 'bob']);

    const entry = await request(registry.url).get(`/api/v1/log/entries/${second.body.recordEntryId}`);
    expect(entry.status).toBe(200);
    const [after] = await query<{ size: string }>('SELECT size FROM log_head');
    expect(BigInt(after!.size)).toBe(BigInt(before!.size) + 1n);
    const trail = await query<{ actor: string; action: string }>(
      'SELECT actor, action FROM audit_event WHERE subject = $1 ORDER BY id',
      `vendor:${id}`,
    );
    expect(trail.map(({ action }) => action)).toEqual([
      'vendor-submitted',
      'vendor-approved',
      'vendor-approved',
      'vendor-admitted',
    ]);
    expect(trail[1]?.actor).toBe(`${registry.config.oidcIssuer}#alice`);
  });

  it('never counts one member twice', async () => {
    const id = await apply();
    await approve(id, 'alice');
    const again = await approve(id, 'alice');
    expect([again.status, again.body.code]).toEqual([409, 'vendor/already-approved']);
    expect((await send('get', `/${id}`)).body.status).toBe('submitted');
  });

  it('lets only one of two simultaneous approvals by a member count, and admits once', async () => {
    const id = await apply();
    const twice = await Promise.all([approve(id, 'alice'), approve(id, 'alice'), approve(id, 'alice')]);
    expect(twice.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    const both = await Promise.all([approve(id, 'bob'), approve(id, 'carol')]);
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
    const admitted = await query(
      'SELECT FROM audit_event WHERE subject = $1 AND action = $2',
      `vendor:${id}`,
      'vendor-admitted',
    );
    expect(admitted).toHaveLength(1);
  });

  it('does not let a member decide for an organisation of theirs', async () => {
    const id = await apply({}, 'alice');
    expect((await approve(id, 'alice')).body.code).toBe('vendor/own-organisation');
    await approve(id, 'bob');
    expect((await approve(id, 'carol')).body.status).toBe('active');
    await send('post', `/${id}/suspension`, 'alice', { reason: 'Removing trust is always possible.' });
    expect((await send('delete', `/${id}/suspension`, 'alice')).body.code).toBe('vendor/own-organisation');
  });

  it.each([
    [{ applicationIdPrefixes: ['com-taken-'], ociNamespaces: [] }],
    [{ applicationIdPrefixes: ['com-taken-more'], ociNamespaces: [] }],
    [{ applicationIdPrefixes: ['com-'], ociNamespaces: [] }],
    [{ applicationIdPrefixes: [], ociNamespaces: ['taken.example/team/app'] }],
    [{ applicationIdPrefixes: [], ociNamespaces: ['taken.example/team'] }],
  ])('refuses the claims %j of another vendor', async (claims) => {
    const [known] = await query(`SELECT FROM vendor_claim WHERE value = 'com-taken-'`);
    if (known === undefined)
      await admit({ claims: { applicationIdPrefixes: ['com-taken-'], ociNamespaces: ['taken.example/team'] } });
    const response = await send('post', '', 'vera', application({ claims }));
    expect([response.status, response.body.code]).toEqual([409, 'vendor/claim-taken']);
  });

  it('tells neighbouring namespaces apart', async () => {
    await admit({ claims: { applicationIdPrefixes: [], ociNamespaces: ['near.example/acme'] } });
    await admit({ claims: { applicationIdPrefixes: [], ociNamespaces: ['near.example/acme2'] } });
  });

  it('gives a contested claim to who is admitted first', async () => {
    const claims = { applicationIdPrefixes: ['com-contested-'], ociNamespaces: [] };
    const [slow, quick] = [await apply({ claims }), await apply({ claims }, 'vera')];
    await approve(slow, 'alice');
    await approve(quick, 'alice');
    expect((await approve(quick, 'bob')).body.status).toBe('active');
    const late = await approve(slow, 'bob');
    expect([late.status, late.body.code]).toEqual([409, 'vendor/claim-taken']);
    // Refused as a whole: the vote is not kept either, and nothing is logged.
    expect(await query('SELECT FROM vendor_approval WHERE vendor_id = $1', slow)).toHaveLength(1);
  });

  it('keeps country, state and name of an admitted vendor unique', async () => {
    await admit({ legalName: 'Unique AG' });
    expect((await send('post', '', 'vera', application({ legalName: 'Unique AG' }))).body.code).toBe(
      'vendor/subject-taken',
    );
    await apply({ legalName: 'Unique AG', state: 'Saxony' });
  });

  it('suspends at once and reinstates, each with its record', async () => {
    const id = await admit();
    const admission = (await send('get', `/${id}`)).body.recordEntryId;
    const suspended = await send('post', `/${id}/suspension`, 'carol', { reason: 'Key found on a forum.' });
    expect(suspended.body).toMatchObject({ status: 'suspended', suspensionReason: 'Key found on a forum.' });
    expect(suspended.body.recordEntryId).not.toBe(admission);
    expect((await send('post', `/${id}/suspension`, 'carol', { reason: 'Again.' })).body.code).toBe(
      'vendor/wrong-status',
    );

    const reinstated = await send('delete', `/${id}/suspension`, 'bob');
    expect(reinstated.body.status).toBe('active');
    expect(reinstated.body).not.toHaveProperty('suspensionReason');
    expect((await send('delete', `/${id}/suspension`, 'bob')).body.code).toBe('vendor/wrong-status');
    expect((await approve(id, 'carol')).body.code).toBe('vendor/wrong-status');
  });

  it('shows contacts and approvals to members and governance only', async () => {
    const id = await admit();
    for (const account of ['victor', 'carol']) {
      expect((await send('get', `/${id}`, account)).body).toHaveProperty('securityContact', 'psirt@example.com');
    }
    for (const account of [undefined, 'vera']) {
      const { body } = await send('get', `/${id}`, account);
      expect(body).not.toHaveProperty('securityContact');
      expect(body).not.toHaveProperty('approvals');
    }
  });

  it('lists newest first, page by page', async () => {
    const ids = [await apply(), await apply(), await apply()];
    const first = await send('get', '?limit=2');
    expect(first.body.items).toHaveLength(2);
    expect(first.headers['link']).toBe(`</api/v1/vendors?limit=2&before=${first.body.next}>; rel="next"`);
    const all: string[] = [];
    for (let next: string | undefined = ''; next !== undefined;) {
      const { body } = await send('get', `?limit=2${next === '' ? '' : `&before=${next}`}`);
      all.push(...(body.items as { id: string }[]).map(({ id }) => id));
      next = body.next as string | undefined;
    }
    const total = (await query('SELECT FROM vendor')).length;
    expect(new Set(all).size).toBe(total);
    expect(all).toEqual([...all].sort().reverse());
    expect(all).toEqual(expect.arrayContaining(ids));
  });

  it.each([
    '?limit=0',
    '?limit=101',
    '?limit=x',
    '?limit=1&limit=2',
    '?before=%00',
    '?before[a]=1',
    '?before=!!',
    '?before=AA',
  ])('answers the query %s without a 500', async (search) => {
    const { status } = await send('get', search);
    expect([200, 400]).toContain(status);
  });

  it.each(['x', '0'.repeat(26), '8zzzzzzzzzzzzzzzzzzzzzzzzz', "'; DROP TABLE vendor; --", '%00'])(
    'knows no vendor %s',
    async (id) => {
      expect((await send('get', `/${encodeURIComponent(id)}`)).body.code).toBe('vendor/not-found');
      expect((await approve(encodeURIComponent(id), 'alice')).body.code).toBe('vendor/not-found');
    },
  );
});
