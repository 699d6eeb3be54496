/** The process that {@link load} starts: a client that does as little as it can, so that it does not measure itself. */
import { openSync, readSync } from 'node:fs';
import { connect } from 'node:net';
import { quantile } from './quantile.mjs';

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
      const socket = connect({
        port: Number(port),
        host: hostname,
        noDelay: true,
        onread: {
          buffer: received,
          callback: (length) => {
            read(received.subarray(0, length));
            return true;
          },
        },
      });
      let sentAt = 0;
      let held = []; // parts of an answer whose head has not ended
      let missing = 0; // bytes of the body that have yet to come
      const next = () => {
        const request = performance.now() < end ? draw() : undefined;
        if (request === undefined) return void socket.end(resolve);
        sentAt = performance.now();
        socket.write(request);
      };
      const finish = () => {
        last = performance.now();
        latencies.push(last - sentAt);
        next();
      };
      socket.on('connect', next);
      socket.on('error', reject);
      socket.on('close', () => resolve());
      const read = (part) => {
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
