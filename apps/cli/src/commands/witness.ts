import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { isIP } from 'node:net';
import { InvalidArgumentError, type Command } from 'commander';
import type { Run } from '../command.ts';
import { CliFault } from '../fault.ts';
import { factLines, tableLines, timeText, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';
import { createWitnessServer } from '../witness/serve-witness.ts';
import { nameOf, WitnessDirectory } from '../witness/witness-directory.ts';

export function addWitness(program: Command, run: Run): void {
  const witness = program
    .command('witness')
    .description('be a witness of transparency logs: cosign what only ever grows (c2sp.org/tlog-witness)');
  witness
    .command('init')
    .description('make the keys of a new witness')
    .argument('<directory>', 'where the witness keeps everything')
    .requiredOption('--name <name>', 'its name for ever, like witness.example/w1: no spaces, no plus signs')
    .action(run(init));
  witness
    .command('add-log')
    .description('cosign this log from now on; a running witness notices')
    .argument('<directory>')
    .argument('<vkey...>', 'the log’s keys, <origin>+<hash>+<key>, as its /log/log.json has them')
    .action(run(addLog));
  witness
    .command('show')
    .description('its keys, and how far it has seen each log')
    .argument('<directory>')
    .action(run(show));
  witness
    .command('serve')
    .description('answer logs and monitors until it is stopped')
    .argument('<directory>')
    .option('--listen <host:port>', 'where; TLS is for a proxy in front', parseListen, {
      host: '127.0.0.1',
      port: 7380,
    })
    .action(run(serve));
}

async function init(_session: Session, path: string, { name }: { name: string }): Promise<Outcome> {
  const { cosigners } = await WitnessDirectory.create(path, name);
  const vkeys = cosigners.map(({ vkey }) => vkey);
  return {
    data: { directory: path, name, vkeys },
    lines: [
      `The keys of ${name} are in ${path}. Guard that directory, and never put back an older copy of it.`,
      'Tell logs and their users these keys, either or both:',
      ...vkeys,
    ],
  };
}

async function addLog(_session: Session, path: string, vkeys: readonly string[]): Promise<Outcome> {
  const directory = await WitnessDirectory.open(path);
  const origins: string[] = [];
  for (const vkey of vkeys) origins.push((await directory.addLog(vkey)).name);
  const unique = [...new Set(origins)];
  return {
    data: { logs: unique.map((origin) => ({ origin, checkpoint: `${nameOf(origin)}/checkpoint` })) },
    lines: unique.map((origin) => `${origin} is cosigned from now on.`),
  };
}

async function show(_session: Session, path: string): Promise<Outcome> {
  const directory = await WitnessDirectory.open(path);
  const origins = [...new Set((await directory.logKeys()).map(({ name }) => name))];
  const logs = await Promise.all(
    origins.map(async (origin) => ({ origin, size: (await directory.find(origin))?.size })),
  );
  const vkeys = directory.cosigners.map(({ vkey }) => vkey);
  const rows = logs.map(({ origin, size }) => [origin, size === undefined ? 'nothing yet' : `${size} entries`]);
  return {
    data: { vkeys, logs: logs.map(({ origin, size }) => ({ origin, ...(size !== undefined && { size }) })) },
    lines: [...vkeys, ...(rows.length === 0 ? ['No logs yet: margo-trust witness add-log.'] : tableLines(rows))],
  };
}

async function serve(session: Session, path: string, { listen }: { listen: Listen }): Promise<Outcome> {
  const { io, printer } = session;
  const directory = await WitnessDirectory.open(path);
  const lock = await directory.lock();
  try {
    await directory.tidy();
    await directory.logKeys(); // a list that cannot be read should be told of now
    const report = (line: string): void => printer.note(`${timeText(io.now())} ${line}`);
    const server = createWitnessServer({ directory, now: () => io.now(), report });
    server.listen(listen);
    await once(server, 'listening').catch((cause: unknown) => {
      const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
      const message = `${listen.host}:${listen.port} can’t be listened on (${reason}).`;
      throw new CliFault('cli/in-use', message, 'Choose another one: --listen HOST:PORT.', { cause });
    });
    const url = addressOf(server.address() as AddressInfo);
    printer.note(`ready ${url}`);
    await io.stopped();
    const closed = once(server, 'close');
    server.close();
    server.closeIdleConnections();
    const cut = setTimeout(() => server.closeAllConnections(), 5_000);
    await closed;
    clearTimeout(cut);
    return { data: { url }, lines: factLines({ stopped: url }) };
  } finally {
    await lock.close();
  }
}

interface Listen {
  readonly host: string;
  readonly port: number;
}

function parseListen(text: string): Listen {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535 || (bracketed !== undefined && isIP(bracketed) !== 6)) {
    throw new InvalidArgumentError('Write it like 127.0.0.1:7380 or [::1]:7380.');
  }
  return { host, port: Number(port) };
}

function addressOf({ address, port, family }: AddressInfo): string {
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
