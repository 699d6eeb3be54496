/** The process that {@link load} starts: a client that does as little as it can, so that it does not measure itself. */
import { openSync, readSync } from 'node:fs';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { quantile } from './quantile.mjs';

const LAST_CHUNK = Buffer.from('\r\n0\r\n\r\n');

process.once('message', (order) =>
  run(order).then(
    (result) => process.send(result, () => process.exit()),
    (error) => process.send({ error: error.message }, () => process.exit()),
  ),
);

function run({
  url,
  method,
  contentType,
  connections,
  seconds,
  bodies,
  paths,
  skip = 0,
  limit = Infinity,
  expect,
  headers = {},
  pace,
  ca,
}) {
  const { hostname, port, pathname } = new URL(url);
  const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const headOf = (path) => `${method} ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${more.join('')}`;
  const head = `${headOf(pathname)}Content-Type: ${contentType}\r\n`;
  const fixed = (paths ?? [pathname]).map((path) => Buffer.from(`${headOf(path)}\r\n`));
  const drawBody = bodies === undefined ? undefined : bodyReader(bodies, skip);
  let drawn = 0;
  const draw = () => {
    if (drawn >= limit) return undefined;
    drawn += 1;
    if (drawBody === undefined) return fixed[drawn % fixed.length];
    const body = drawBody();
    return body && Buffer.concat([Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n`, 'latin1'), body]);
  };

  // One for all connections: what node would allot for each read costs more than reading it.
  const received = Buffer.alloc(65_536);
  const latencies = [];
  const wanted = `HTTP/1.1 ${expect} `;
  const cpuBefore = process.cpuUsage();
  const begin = performance.now();
  const end = begin + seconds * 1_000;
  let last = begin;
  const one = () =>
    new Promise((resolve, reject) => {
      const where = { port: Number(port), host: hostname, noDelay: true };
      const onread = {
        buffer: received,
        callback: (length) => {
          read(received.subarray(0, length));
          return true;
        },
      };
      const socket = ca === undefined ? connect({ ...where, onread }) : connectTls({ ...where, ca });
      if (ca !== undefined) socket.on('data', (part) => read(part));
      let sentAt = 0;
      let held = []; // parts of an answer whose head has not ended
      let missing = 0; // bytes of the body that have yet to come
      let tail; // of a body in chunks: its last bytes, which say when it has ended
      const next = () => {
        const request = performance.now() < end ? draw() : undefined;
        if (request === undefined) return void socket.end(resolve);
        sentAt = performance.now();
        if (pace === undefined) return void socket.write(request);
        // Due whether or not the ones before have been answered: who waits for a free connection waits for the service.
        const due = begin + (drawn * 1_000) / pace;
        const wait = due - sentAt;
        sentAt = due;
        if (wait > 0) setTimeout(() => socket.write(request), wait);
        else socket.write(request);
      };
      const finish = () => {
        last = performance.now();
        latencies.push(last - sentAt);
        next();
      };
      socket.on(ca === undefined ? 'connect' : 'secureConnect', next);
      socket.on('error', reject);
      socket.on('close', () => resolve());
      const readChunks = (part) => {
        tail = Buffer.concat([tail, part]).subarray(-LAST_CHUNK.length);
        if (!tail.equals(LAST_CHUNK)) return;
        tail = undefined;
        finish();
      };
      const read = (part) => {
        if (tail !== undefined) return readChunks(part);
        if (missing > 0) {
          missing -= part.length;
          if (missing === 0) finish();
          return;
        }
        const bytes = held.length === 0 ? part : Buffer.concat([...held, part]);
        const headEnd = bytes.indexOf('\r\n\r\n');
        if (headEnd < 0) return void (held = [Buffer.from(bytes)]);
        held = [];
        const text = bytes.latin1Slice(0, headEnd);
        if (!text.startsWith(wanted)) {
          const rest = bytes.subarray(headEnd + 4, headEnd + 300).toString('latin1');
          return reject(new Error(`Expected ${expect}, got ${text.split('\r\n', 1)[0]}: ${rest}`));
        }
        if (/transfer-encoding: chunked/i.test(text)) {
          tail = Buffer.alloc(0);
          return readChunks(bytes.subarray(headEnd + 4));
        }
        const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
        missing = headEnd + 4 + length - bytes.length;
        if (missing === 0) finish();
      };
    });

  return Promise.all(Array.from({ length: connections }, one)).then(() => {
    const { user, system } = process.cpuUsage(cpuBefore);
    const elapsed = (last - begin) / 1_000;
    latencies.sort((a, b) => a - b);
    return {
      count: latencies.length,
      perSecond: latencies.length / elapsed,
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      max: latencies.at(-1) ?? 0,
      clientCpu: (user + system) / 1e6 / elapsed,
    };
  });
}

/** Body after body of the file, without holding it whole; passes over the first `skip`. */
function bodyReader(path, skip) {
  const file = openSync(path, 'r');
  let bytes = Buffer.alloc(0);
  const take = (length) => {
    if (bytes.length < length) {
      const more = Buffer.alloc(4 * 2 ** 20);
      bytes = Buffer.concat([bytes, more.subarray(0, readSync(file, more))]);
    }
    if (bytes.length < length) return undefined;
    const taken = bytes.subarray(0, length);
    bytes = bytes.subarray(length);
    return taken;
  };
  const next = () => {
    const length = take(4);
    return length && take(length.readUInt32BE());
  };
  for (let passed = 0; passed < skip; passed += 1) next();
  return next;
}
