import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { checkSignatureOnPool } from '@margo-trust/crypto/async';
import { parseStatement, prepareStatementCheck } from '@margo-trust/statement';
import { parseCertificate } from '@margo-trust/x509';
import { statementMaker } from '../demo-vendor.mjs';
import { cpuPerRequest, readCpu } from './cpu.mjs';
import { load, writeBodies } from './load.mjs';
import { preparePeer, withPeer } from './peer.mjs';
import { freePort, residentBytes, withService } from './service.mjs';

const CONNECTIONS = 256;
const READERS = 64;
/** Statements are made before they are sent: more than are taken in a second. */
const MOST_A_SECOND = 8_000;
const MOST_OF_PEER = 4_000;
const SHORT = { runs: 3, seconds: 3, sizes: [1_000, 50_000] };
const LONG = { runs: 3, seconds: 60, sizes: [1_000, 100_000, 1_000_000, 3_000_000] };

/** `LOG_SIZES=1000,1000000` and `LOG_SECONDS=60` in place of what `--long` says or leaves out. */
function chooseScale(isLong) {
  const { LOG_SIZES, LOG_SECONDS } = process.env;
  return {
    ...(isLong ? LONG : SHORT),
    ...(LOG_SIZES && { sizes: LOG_SIZES.split(',').map(Number) }),
    ...(LOG_SECONDS && { seconds: Number(LOG_SECONDS) }),
  };
}

/**
 * The log under load, closed loop, fsync on; service, database and client share the cores. Every statement is distinct,
 * signed by the vendor and sent once; a registration counts when its receipt has arrived. `--long` takes the time and the log
 * sizes that docs/performance.md reports.
 */
export async function measureLog({ isLong }) {
  const scale = chooseScale(isLong);
  const dataDir = mkdtempSync(join(tmpdir(), 'margo-bench-'));
  const results = [];
  try {
    // The same port each time: certificates name it.
    const env = { PORT: String(await freePort()) };
    await withService(() => undefined, { dataDir, env });
    const makeLogged = statementMaker(join(dataDir, 'demo/vendor'), { leafOnly: true });
    const make = () => makeLogged().body;
    results.push(...(await measureCeiling(dataDir, make)));
    let rate;
    for (const size of scale.sizes) {
      await prefill(dataDir, size);
      await withService(
        async (service) => {
          await untilIdle(service.pid);
          if (size === scale.sizes[0]) results.push(...(await measureAlone(service, make)));
          const figures = await measureRegistrations(service, make, scale, size);
          results.push(...figures.results);
          rate = figures.median;
          if (size === scale.sizes.at(-1)) results.push(...(await measureReads(service, make, scale)));
        },
        { dataDir, env },
      );
    }
    results.push(...(await measurePeer(make, scale, rate)));
    return results;
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** What the two halves of a registration do when nothing else runs: checking signatures, and storing batches durably. */
async function measureCeiling(dataDir, make) {
  const checks = Array.from({ length: 4_000 }, () => {
    const statement = parseStatement(new Uint8Array(make()));
    return prepareStatementCheck(statement, parseCertificate(statement.chain[0]).publicKey);
  });
  const begin = performance.now();
  for (let at = 0; at < checks.length; at += CONNECTIONS) {
    await Promise.all(checks.slice(at, at + CONNECTIONS).map(checkSignatureOnPool));
  }
  const verified = (checks.length * 1_000) / (performance.now() - begin);
  const stored = await prefill(dataDir, 20_000, CONNECTIONS);
  return [
    ['ceiling: ES256 signatures checked on the thread pool', perSecond(verified)],
    [`ceiling: entries stored durably, batches of ${CONNECTIONS}`, perSecond(stored)],
    ['ceiling: one after the other', perSecond(1 / (1 / verified + 1 / stored))],
  ];
}

async function measureAlone({ url }, make) {
  const bodies = writeBodies('alone', 400, make);
  const order = { ...post(url), bodies: bodies.path, connections: 1 };
  await load({ ...order, limit: 100 });
  const { p50, p99 } = await load({ ...order, skip: 100 });
  bodies.remove();
  return [['one connection', `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`]];
}

async function measureRegistrations({ url, pid, dataDir }, make, { runs, seconds }, size) {
  const figures = [];
  const memory = [];
  for (let run = 0; run <= runs; run += 1) {
    // The first one warms up, and is short.
    const time = run === 0 ? 2 : seconds;
    const bodies = writeBodies('many', time * MOST_A_SECOND, make);
    const before = readCpu({ pid, dataDir });
    const figure = await load({ ...post(url), bodies: bodies.path, connections: CONNECTIONS, seconds: time });
    bodies.remove();
    if (run > 0) figures.push({ ...figure, cpu: cpuPerRequest(before, readCpu({ pid, dataDir }), figure) });
    memory.push(Math.round(residentBytes(pid) / 2 ** 20));
  }
  const name = `registrations, ${CONNECTIONS} connections, from ${size.toLocaleString('en')} entries on`;
  return {
    median: median(figures.map(({ perSecond: rate }) => rate)),
    results: [
      [`${name}, statements of ${make().length} bytes`, summary(figures)],
      ['  CPU per registration', describeCpu(figures.map(({ cpu }) => cpu))],
      ['  resident memory after each run', `${memory.join(', ')} MiB`],
    ],
  };
}

async function measureReads({ url }, make, { runs, seconds }) {
  const bodies = writeBodies('read', 2_000, make);
  await load({ ...post(url), bodies: bodies.path, connections: CONNECTIONS });
  const receipts = [...bodiesOf(bodies.path)].map((body) => `/entries/${parseStatement(body).entryId}`);
  bodies.remove();
  const kinds = {
    'tile of 8 kB': ['/log/tile/0/000'],
    checkpoint: ['/log/checkpoint'],
    'receipts on read': receipts,
  };
  const beside = await startBeside(url, ['/log/tile/0/000', '/log/checkpoint']);
  const results = [];
  try {
    for (const [name, paths] of Object.entries(kinds)) {
      const ours = [];
      const theirs = [];
      for (let run = 0; run <= runs; run += 1) {
        const order = { paths, connections: READERS, seconds: run === 0 ? 1 : Math.min(seconds, 10), expect: 200 };
        ours.push(await load({ url, ...order }));
        if (paths !== receipts) theirs.push(await load({ url: beside.url, ...order }));
      }
      results.push([`${name}, ${READERS} connections`, summary(ours.slice(1))]);
      if (theirs.length > 0) {
        const share = median(rates(ours.slice(1))) / median(rates(theirs.slice(1)));
        results.push([
          `  the same bytes by ${beside.name}`,
          `${summary(theirs.slice(1))}; ours is ${share.toFixed(2)} of it`,
        ]);
      }
    }
  } finally {
    await beside.stop();
  }
  return results;
}

/** Tessera looks at nothing in what it is sent, so random bytes of the same size will do. */
async function measurePeer(make, { runs, seconds }, ours) {
  const why = preparePeer();
  if (why !== undefined) return [['peer', why]];
  return withPeer(async ({ url, pid }) => {
    const figures = [];
    for (let run = 0; run <= runs; run += 1) {
      const time = run === 0 ? 2 : seconds;
      const bodies = writeBodies('peer', time * MOST_OF_PEER, make);
      const before = readCpu({ pid });
      const figure = await load({ ...post(url, ''), bodies: bodies.path, connections: CONNECTIONS, seconds: time });
      figures.push({ ...figure, cpu: cpuPerRequest(before, readCpu({ pid }), figure) });
      bodies.remove();
    }
    const theirs = median(rates(figures.slice(1)));
    return [
      [`Tessera (POSIX) with proof and checkpoint, ${CONNECTIONS} connections`, summary(figures.slice(1))],
      ['  CPU per entry', describeCpu(figures.slice(1).map(({ cpu }) => cpu))],
      ['  ours against it', `${(ours / theirs).toFixed(1)} ×`],
    ];
  });
}

function post(url, path = '/entries') {
  return { url: `${url}${path}`, method: 'POST', contentType: 'application/cose', expect: 201 };
}

/** Entries until the log has `size`, or `size` more when a batch is given; how many a second. The service is stopped. */
async function prefill(dataDir, size, batch) {
  const program = join(import.meta.dirname, 'prefill.mjs');
  const given = batch === undefined ? ['--to', String(size)] : ['--more', String(size), '--batch', String(batch)];
  const { stdout } = await promisify(execFile)(process.execPath, [program, dataDir, ...given]);
  return JSON.parse(stdout).perSecond;
}

/** What is left to do after a start, such as indexing what was filled in, is not part of what is measured. */
async function untilIdle(pid) {
  for (let before = cpuSeconds(pid), quiet = 0; quiet < 3;) {
    await pause(1_000);
    const now = cpuSeconds(pid);
    quiet = now - before < 0.2 ? quiet + 1 : 0;
    before = now;
  }
}

function cpuSeconds(pid) {
  const [, , ...fields] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, 'x x ')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The same bytes served by nginx from files, or by node's own HTTP from memory where there is no nginx. */
async function startBeside(url, paths) {
  const directory = mkdtempSync(join(tmpdir(), 'margo-beside-'));
  chmodSync(directory, 0o755); // started by root, nginx reads as somebody else
  const files = [];
  for (const path of paths) {
    const answer = await fetch(`${url}${path}`);
    const file = join(directory, 'www', path);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
    files.push(`${path}=${file}`);
  }
  const beside = (await startNginx(directory)) ?? (await startBareHttp(files));
  return {
    ...beside,
    stop: async () => {
      const ended = once(beside.child, 'exit');
      beside.child.kill('SIGTERM');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** One worker a core, as it comes. Nothing when it is not installed. */
async function startNginx(directory) {
  const port = await freePort();
  const conf = `daemon off; worker_processes auto; pid ${directory}/pid; error_log /dev/null;
    events { worker_connections 1024; }
    http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; default_type application/octet-stream;
      client_body_temp_path ${directory}/a; proxy_temp_path ${directory}/b; fastcgi_temp_path ${directory}/c;
      uwsgi_temp_path ${directory}/d; scgi_temp_path ${directory}/e; open_file_cache max=100;
      server { listen 127.0.0.1:${port}; root ${directory}/www; } }`;
  writeFileSync(join(directory, 'nginx.conf'), conf);
  const child = spawn('nginx', ['-p', directory, '-c', join(directory, 'nginx.conf')], { stdio: 'ignore' });
  const isMissing = await Promise.race([
    once(child, 'spawn').then(() => false),
    once(child, 'error').then(() => true),
  ]).catch(() => true);
  if (isMissing) return undefined;
  await pause(300);
  return { name: 'nginx', url: `http://127.0.0.1:${port}`, child };
}

async function startBareHttp(files) {
  const program = join(import.meta.dirname, 'bare-http.mjs');
  const child = spawn(process.execPath, [program, ...files], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  return { name: 'bare node:http, since nginx is not installed', url: line.slice('ready '.length), child };
}

function* bodiesOf(path) {
  const bytes = readFileSync(path);
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32BE(at);
    yield Uint8Array.from(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
}

const rates = (figures) => figures.map(({ perSecond: rate }) => rate);
const perSecond = (rate) => `${Math.round(rate).toLocaleString('en')}/s`;

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

/** Medians, in microseconds. */
function describeCpu(figures) {
  const of = (name) => Math.round(median(figures.map((figure) => figure[name])));
  const parts = { main: 'service main thread', others: 'its other threads', postgres: 'PostgreSQL', client: 'client' };
  const named = Object.entries(parts).map(([name, text]) => `${text} ${of(name)}`);
  return `${named.join(', ')}; together ${of('all')} µs`;
}

/** The medians of some runs, and how far their rates lay apart. */
function summary(figures) {
  const of = (name) => median(figures.map((figure) => figure[name]));
  const all = rates(figures);
  const spread = `${Math.round(Math.min(...all))}–${Math.round(Math.max(...all))}`;
  const client = `client ${Math.round(of('clientCpu') * 100)} % of a core`;
  return `${perSecond(of('perSecond'))} (${spread}), p50 ${of('p50').toFixed(1)} ms, p99 ${of('p99').toFixed(1)} ms, ${client}`;
}
