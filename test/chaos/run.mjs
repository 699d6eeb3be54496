/**
 * `npm run chaos`: kills the registry's parts at random while 32 writers register, and lets an independent judge say whether
 * anything that was acknowledged is lost. Exit code 0 when the judge found nothing.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort, Postgres, Program } from './processes.mjs';
import { startCallers } from './writers.mjs';

const VICTIMS = ['service', 'worker', 'backend', 'postmaster'];
const AUDIT_EVERY = 5;

const { values } = parseArgs({
  options: {
    cycles: { type: 'string', default: '20' },
    minutes: { type: 'string', default: 'Infinity' },
    seed: { type: 'string', default: String(process.pid) },
    writers: { type: 'string', default: '32' },
    patience: { type: 'string', default: '60' },
    report: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log('npm run chaos -- [--cycles 20] [--minutes N] [--seed N] [--writers 32] [--patience 60] [--report FILE]');
  console.log('--patience: seconds until it must be ready again; more on a machine that does other work too.');
  process.exit(0);
}

const random = seeded(Number(values.seed));
let cycles = Number(values.cycles);
const directory = mkdtempSync(join(tmpdir(), 'margo-chaos-'));
const dataDir = join(directory, 'data');
const evidence = join(directory, 'judge');
mkdirSync(evidence);
const kills = Object.fromEntries(VICTIMS.map((victim) => [victim, 0]));
const begun = performance.now();
console.log(`chaos: ${cycles} cycles under ${values.writers} writers, seed ${values.seed}`);

const postgres = await Postgres.create();
const port = await freePort();
const url = `http://localhost:${port}`;
const common = { DATABASE_URL: postgres.url(), DATA_DIR: dataDir };
const founder = new Program('scripts/start.mjs', { ...common, PORT: String(port) });
const service = new Program('apps/registry/dist/main.js', { ...common, PORT: String(port), ROLE: 'api' });
const workerPort = String(await freePort());
const worker = new Program('apps/registry/dist/main-worker.js', { ...common, PORT: workerPort, PUBLIC_URL: url });

let verdict;
try {
  await founder.start();
  await founder.end('SIGTERM');
  await Promise.all([service.start(), worker.start()]);
  const judge = startJudge(evidence);
  await judge.ask({ pin: url });
  const callers = startCallers(url, join(dataDir, 'demo/vendor'), Number(values.writers), judge.tell);
  for (let cycle = 1; cycle <= cycles; cycle += 1) {
    const delay = Math.round(200 + random() * 1_300);
    await sleep(delay);
    const victim = VICTIMS[Math.floor(random() * VICTIMS.length)];
    await kill(victim);
    kills[victim] += 1;
    const seconds = await comeBack();
    const { acknowledged } = callers.counts;
    console.log(`${cycle}/${cycles}  ${victim} killed, writing again after ${seconds} s, ${acknowledged} acknowledged`);
    if (cycle % AUDIT_EVERY === 0) report(await judge.ask({ audit: url }));
    if (performance.now() - begun > Number(values.minutes) * 60_000) cycles = cycle; // enough for today
  }
  await sleep(1_000);
  await callers.stop();
  const found = await judge.ask({ audit: url, whole: true });
  report(found);
  judge.end();
  verdict = { ...found, cycles, kills, ...callers.counts, seconds: Math.round((performance.now() - begun) / 1000) };
  verdict.isClean = found.found === 0 && !found.stopped && callers.counts.unexpected.length === 0;
} finally {
  await Promise.all([service.end('SIGKILL'), worker.end('SIGKILL'), founder.end('SIGKILL')]);
  await postgres.stop();
}
summarise(verdict);

async function kill(victim) {
  if (victim === 'service') return service.end('SIGKILL');
  if (victim === 'worker') return worker.end('SIGKILL');
  if (victim === 'postmaster') return postgres.kill();
  const pid = await postgres.findBackend(random);
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
}

/** Starts again what does not run, and waits until a write is acknowledged. */
async function comeBack() {
  const since = performance.now();
  await postgres.start();
  for (const program of [service, worker]) if (!program.isRunning) await startAgain(program);
  for (;;) {
    const ready = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
    if (ready?.ok) return ((performance.now() - since) / 1000).toFixed(1);
    if (performance.now() - since > Number(values.patience) * 1000) {
      throw new Error(`${url} is not ready ${values.patience} seconds after a kill.`);
    }
    if (!service.isRunning) await startAgain(service);
    await sleep(50);
  }
}

/** A start may meet a database that recovers; an operator's supervisor would try again too. */
async function startAgain(program) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await program.start();
    } catch (error) {
      if (attempt === 20) throw error;
      await sleep(250);
    }
  }
}

function report({ acknowledged, checkpoints, size, faults, found, stopped }) {
  console.log(
    `       audit: ${acknowledged} acknowledged, ${checkpoints} checkpoints, ${size} entries, ${found} faults`,
  );
  for (const fault of faults) console.log(`       ${fault}`);
  if (stopped) console.log(`       the audit stopped: ${stopped}`);
}

function summarise({ isClean, cycles, acknowledged, checkpoints, size, found, unexpected, seconds, ...rest }) {
  const counted = VICTIMS.map((victim) => `${victim} ${rest.kills[victim]}`).join(', ');
  console.log(`\n${cycles} cycles, killed: ${counted}; ${rest.refused} answers 5xx, ${rest.unanswered} without answer`);
  console.log(`${acknowledged} acknowledgements and ${checkpoints} checkpoints against ${size} entries, ${seconds} s`);
  for (const one of new Set(unexpected)) console.log(`unexpected answer: ${one}`);
  const file = values.report;
  if (file) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(
      file,
      JSON.stringify({ seed: values.seed, cycles, isClean, acknowledged, checkpoints, size, ...rest }),
    );
  }
  if (isClean) {
    console.log('chaos: 0 lost, 0 gaps, 0 forks, 0 regressed checkpoints');
    rmSync(directory, { recursive: true, force: true });
  } else {
    console.log(`chaos: FAILED with ${found} faults; what the judge heard is in ${evidence}`);
    process.exitCode = 1;
  }
}

function startJudge(folder) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'judge.mjs'), folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const waiting = [];
  createInterface(child.stdout).on('line', (line) => waiting.shift()?.(JSON.parse(line)));
  const tell = (what) => child.stdin.write(`${JSON.stringify(what)}\n`);
  return {
    tell,
    /** It ends when it has nothing more to read. */
    end: () => child.stdin.end(),
    ask: (what) => new Promise((resolve) => (waiting.push(resolve), tell(what))),
  };
}

/** mulberry32: the same seed chooses the same victims and delays. */
function seeded(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
