import { fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Load from a process of its own (load-client.mjs), closed loop: each connection sends its next request when it has the whole
 * answer to the last one. With `pace` so many a second are due, as long as there are connections, and latency counts from when one
 * was due. With `ca` over TLS, to a server that it vouches for. Ends after so many seconds, or when there is nothing left to send.
 *
 * `url` and `method` are those of every request. `bodies` is a file of {@link writeBodies}, each of which is sent once, the
 * first `skip` left out, `limit` at most; `paths` are asked for in turn instead of the path of `url`.
 * Resolves to `{ count, perSecond, p50, p99, max, clientCpu }`: milliseconds, and the share of one core that the client
 * took. Throws when an answer has another status than `expect`.
 */
export async function load({ url, method = 'GET', connections, seconds = 3600, expect, ...what }) {
  const child = fork(join(import.meta.dirname, 'load-client.mjs'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ended = once(child, 'exit');
  child.send({ url, method, connections, seconds, expect, ...what });
  const [message] = await Promise.race([once(child, 'message'), ended.then(() => [{ error: 'The client died.' }])]);
  await ended;
  if (message.error !== undefined) throw new Error(message.error);
  return message;
}

/** Writes bodies to a file that {@link load} can send: each with its length before it, four bytes big endian. */
export function writeBodies(name, count, make) {
  const path = join(tmpdir(), `margo-bench-${process.pid}-${name}`);
  const file = openSync(path, 'w');
  for (let left = count; left > 0; left -= 1) {
    const body = make();
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    writeSync(file, Buffer.concat([length, body]));
  }
  closeSync(file);
  return { path, count, remove: () => rmSync(path, { force: true }) };
}

export function describe({ count, perSecond, p50, p99, clientCpu }) {
  const share = `client ${Math.round(clientCpu * 100)} % of a core`;
  return `${Math.round(perSecond)}/s, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (${count}, ${share})`;
}
