/** Input by which parsers and databases are known to fall. */

/** `{"a":{"a":…}}`, so many objects deep. */
export const deepObject = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
export const deepArray = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

/** An array of one array of one array…, in CBOR. */
export const deepCbor = (depth: number): Buffer => Buffer.concat([Buffer.alloc(depth, 0x81), Buffer.from([0x80])]);

/** A SEQUENCE of one SEQUENCE…, in DER, with so many bytes at most. */
export function deepDer(maxBytes: number): Buffer {
  const headers: Buffer[] = [];
  let size = 0;
  for (;;) {
    const bytes = size.toString(16);
    const digits = Buffer.from(bytes.length % 2 === 0 ? bytes : `0${bytes}`, 'hex');
    const length = size < 128 ? Buffer.from([size]) : Buffer.concat([Buffer.from([0x80 | digits.length]), digits]);
    size += 1 + length.length;
    if (size > maxBytes) return Buffer.concat(headers.reverse());
    headers.push(Buffer.concat([Buffer.from([0x30]), length]));
  }
}

/** In place of a JSON document. */
export const BAD_JSON: Record<string, string | Buffer> = {
  nothing: '',
  null: 'null',
  'a number': '7',
  'a string': '"text"',
  'an array': '[]',
  'an array of null': '[null]',
  'half an object': '{"a":',
  'an open string': '{"a',
  'a trailing comma': '{"a":1,}',
  'two documents': '{}{}',
  '30,000 arrays': deepArray(30_000),
  '30,000 objects': deepObject(30_000),
  '30,000 arrays that never end': '['.repeat(30_000),
  'a member named twice': '{"a":1,"a":2}',
  'a prototype': '{"__proto__":{"isAdmin":true}}',
  'a constructor': '{"constructor":{"prototype":{"isAdmin":true}}}',
  'methods of every object': '{"toString":1,"hasOwnProperty":1,"then":1,"toJSON":1}',
  'NUL in a name': '{"\\u0000":1}',
  'half a surrogate pair in a name': '{"\\ud800":1}',
  'a number too large': '{"a":1e999}',
  'a raw control character': '{"a":"\u0001"}',
  'a byte order mark': '\ufeff{}',
  'UTF-16': Buffer.from('{"a":1}', 'utf16le'),
  'bytes that are no text': Buffer.from([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d]),
  'many members': `{${Array.from({ length: 24_000 }, (_, i) => `"${i}":0`).join(',')}}`, // just within 256 KiB
  'more members': `{${Array.from({ length: 80_000 }, (_, i) => `"${i}":0`).join(',')}}`,
  'one byte too many': `${' '.repeat(1_048_575)}{}`,
};

/** In place of one segment of a path, as it goes onto the wire. */
export const BAD_SEGMENTS: readonly string[] = [
  ...['.', '..', '%2e%2e', '%2e%2e%2f%2e%2e%2fetc%2fpasswd', '..%5c..', '%2F', '%5C', '%00', 'a%00b', '%0d%0aX-A:b'],
  ...['%', '%zz', '%ff', '%c0%af', '%ed%a0%80', '%f0%9f%92%a9', '%e2%80%ae', '%ef%bb%bf', '*', ';', '~', ':id'],
  ...['-1', '0x10', '1e3', '1.5', 'NaN', 'null', 'undefined', '__proto__', 'constructor', 'toString', "'--", '$1'],
  ...['9'.repeat(19), '9'.repeat(20), '9'.repeat(5_000), 'f'.repeat(40), 'A'.repeat(43), '_'.repeat(43)],
  ...['7zzzzzzzzzzzzzzzzzzzzzzzzz', 'x'.repeat(8_000), '%20', '%09', 'a/b', 'a/../b'],
];

/** Tiles that are not there: too far away, spelt otherwise, not a tile at all. */
export const BAD_TILES: readonly string[] = [
  ...['tile/0/001', 'tile/0/000.p/0', 'tile/0/000.p/256', 'tile/0/000.p/255', 'tile/0/000.p/1e1', 'tile/0/0', 'tile/'],
  ...['tile/1/000', 'tile/7/000', 'tile/7/000.p/1', 'tile/8/000', 'tile/63/000', 'tile/64/000', 'tile/00/000'],
  ...[
    'tile/-1/000',
    'tile/0/x000/000',
    'tile/entries/001',
    'tile/entries/000.p/255',
    'tile/0/000/',
    'tile/0/%30%30%30%00',
  ],
  // The last tile of a tree of 2^64 leaves, and the first ones whose leaves a signed 64-bit column cannot count.
  ...['0', '1', '7', 'entries'].flatMap((level) =>
    ['x072/x057/x594/x037/x927/935', 'x036/x028/x797/x018/x963/967', 'x036/x028/x797/x018/x963/968'].flatMap(
      (index) => [`tile/${level}/${index}`, `tile/${level}/${index}.p/1`, `tile/${level}/${index}.p/255`],
    ),
  ),
  ...['evidence/', 'evidence/001', 'evidence/000.p/0', 'evidence/000.p/255', 'evidence/0', 'evidence/x000/000'],
  ...['evidence/x036/x028/x797/x018/x963/967', 'evidence/x072/x057/x594/x037/x927/935.p/1', 'evidence/%00'],
  ...['tile/0/x999/x999/x999/x999/x999/x999/999', 'tile/../checkpoint', 'checkpoint/..', '%00', 'log.json/x'],
];

/** In place of the value of a parameter of a query. */
export const BAD_VALUES: readonly string[] = [
  ...[
    '%00',
    'a%00',
    '%ff',
    '%',
    '%ed%a0%80',
    '%f0%9f%92%a9',
    '%0d%0aSet-Cookie:a=b',
    '..',
    "'%20OR%20''='",
    '%25',
    '_',
  ],
  ...['-1', '0', '201', '1e3', '9'.repeat(18), '9'.repeat(19), '9'.repeat(400), 'x'.repeat(8_000), 'sha256:', 'oci://'],
  ...['A'.repeat(43), '_'.repeat(43), 'ICAg', 'AA', 'AAAA', '//', ':', 'x.vendors.y', 'https://.vendors.', '%2F%2F'],
];

/** Header by header, each alone. */
export const BAD_HEADERS: readonly Record<string, string>[] = [
  ...[
    '',
    ' ',
    'Bearer',
    'Bearer  ',
    'bearer a.b.c',
    'Bearer a.b.c',
    'Basic YTpi',
    'Bearer \u00ff',
    'Bearer e30.e30.',
  ].map((authorization) => ({ authorization })),
  { authorization: `Bearer ${'x'.repeat(14_000)}` },
  { authorization: `Bearer ${'a.'.repeat(6_000)}` },
  { authorization: `Bearer eyJhbGciOiJub25lIn0.${'A'.repeat(8_000)}.` },
  { accept: '*/*;q=9'.repeat(1_500) },
  { 'accept-language': 'x,'.repeat(6_000) },
  { cookie: 'a=b; '.repeat(2_800) },
  { range: 'bytes=0-,'.repeat(1_000) },
  { 'if-none-match': '"a",'.repeat(3_000) },
  { 'if-modified-since': 'x'.repeat(9_000) },
  { host: '[::' },
  { host: 'evil.example' },
  { 'x-forwarded-for': '%00', 'x-forwarded-host': 'evil.example', forwarded: 'host=evil' },
  { 'x-http-method-override': 'DELETE' },
  { 'x-request-id': '../../etc' },
  { origin: 'null' },
  { connection: 'close, upgrade', upgrade: 'websocket' },
  { 'content-encoding': 'gzip, br' },
];
