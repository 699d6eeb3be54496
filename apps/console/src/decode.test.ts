import { beforeAll, describe, expect, it } from 'vitest';
import { CONTENT, parseStatement, type Statement } from '@margo-trust/statement';
import { encodeUtf8 } from '@margo-trust/bytes';
import { decodeStatement, entryTitle, kindOf, mediaTypeWords, saidWords } from './decode.ts';
import { makeWorld, VENDOR_ID, VENDOR_NAME, type World } from './testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});

function statement(index: number): Statement {
  return parseStatement(world.entries[index]?.statement ?? new Uint8Array());
}

describe('decodeStatement', () => {
  it('reads each kind of statement', () => {
    const kinds = world.entries.map(({ index }) => decodeStatement(statement(index)).kind);
    expect(kinds).toEqual(['policy', 'anchors', ...Array(3).fill('record'), ...Array(3).fill('artifact'), 'release']);
  });

  it('lists the members of a record with labels, digests apart from words', () => {
    const said = decodeStatement(statement(2));
    expect(said).toMatchObject({ kind: 'record', record: 'vendor-admitted', at: new Date('2026-11-25T21:20:00Z') });
    expect(said.kind === 'record' && said.members).toContainEqual({
      label: 'Claims · OCI namespaces',
      value: 'northstarida.azurecr.io, quay.io/charts',
      isOpaque: false,
    });
    const issued = decodeStatement(statement(3));
    expect(issued.kind === 'record' && issued.members.find(({ label }) => label === 'Fingerprint')?.isOpaque).toBe(
      true,
    );
  });

  it.each([
    ['a payload that is no JSON', CONTENT.record, '{'],
    ['a record without a name', CONTENT.record, '{"at":"2026-11-25T21:20:00Z"}'],
    ['a release that is none', CONTENT.release, '{"type":"margo.release.v1"}'],
    ['a content type it does not know', 'text/plain', 'hello'],
  ])('says why it cannot show %s', (_, contentType, payload) => {
    const said = decodeStatement({ ...statement(2), contentType, payload: encodeUtf8(payload) });
    expect(said).toMatchObject({ kind: 'unknown', why: expect.any(String) });
  });
});

describe('entryTitle', () => {
  const digest = 'ab'.repeat(32);
  it.each([
    [CONTENT.release, 'release:com-example-app@1.2.3', 'com-example-app 1.2.3'],
    [CONTENT.artifact, `oci:helm:sha256:${digest}`, 'Helm chart abababab…abab'],
    [CONTENT.record, `vendor:${VENDOR_ID}`, `Vendor ${VENDOR_NAME}`],
    [CONTENT.record, `certificate:${digest}`, 'Certificate abababab…abab'],
    [CONTENT.record, 'tuf:timestamp:7', 'Trust root: timestamp version 7'],
    [CONTENT.policy, 'policy:1', 'Registration policy'],
    ['text/plain', 'something', 'something'],
  ])('of %s about %s', (contentType, subject, title) => {
    expect(entryTitle(contentType, subject, new Map([[VENDOR_ID, VENDOR_NAME]]))).toBe(title);
  });
});

it('says what was signed as the middle of a sentence', () => {
  expect(saidWords(decodeStatement(statement(5)), statement(5).subject)).toMatch(
    /^signed an application package with the digest sha256:[0-9a-f]{8}…[0-9a-f]{6}$/,
  );
  expect(saidWords(decodeStatement(statement(6)), statement(6).subject)).toContain('signed a Helm chart');
  expect(saidWords(decodeStatement(statement(2)), statement(2).subject)).toBe('recorded: vendor admitted');
});

it('knows Margo’s media types and does not guess at others', () => {
  expect(mediaTypeWords('application/vnd.oci.image.index.v1+json')).toBe('Image index');
  expect(mediaTypeWords('application/octet-stream')).toBe('Artifact');
  expect(kindOf('application/octet-stream')).toBe('unknown');
});
