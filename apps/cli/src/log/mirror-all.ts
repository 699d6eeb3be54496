import { join } from 'node:path';
import { readLogEvent } from '@margo-trust/auditor';
import { parseJson } from '@margo-trust/bytes';
import { parseStatement } from '@margo-trust/statement';
import { encodeVerifierKey, parseVerifierKey, type VerifierKey } from '@margo-trust/tlog';
import { Fault } from '@margo-trust/fault';
import { writeOutput } from '../files.ts';
import { withKey, type AuditedLog } from './audited-log.ts';
import { directoryFiles } from './log-files.ts';
import { mirrorLog, type MirrorReport } from './mirror.ts';
import { walkLog } from './walk-log.ts';

/** A log other than the first, as the first one's record says that opened it. */
interface OpenedLog {
  readonly name: string;
  readonly key: VerifierKey;
}

/** One log of several that were mirrored, and where. */
export interface NamedReport extends MirrorReport {
  readonly log: string;
  readonly directory: string;
}

/** Which logs the mirrored part of the first one opened; written anew by every run, and made again where it cannot be read. */
const LIST = 'logs.json';

/**
 * Copies all logs of a registry, or what they have become since: the first one into the directory, the others into `logs/<name>` below it, each
 * audited with the key that the first one's record names. The first one is looked at once more after the others, so that the mirror
 * holds all that they rest on.
 *
 * A crash leaves mirrors that are each whole, and that the next run goes on from.
 */
export async function mirrorAll(
  first: AuditedLog,
  directory: string,
  onProgress: (entries: bigint, of: bigint) => void,
): Promise<NamedReport[]> {
  const reports = new Map<string, NamedReport>();
  const mirror = async (log: AuditedLog, to: string) => {
    const { before, entries } = await mirrorLog(log, to, onProgress);
    const origin = log.key.name;
    reports.set(origin, { log: origin, directory: to, entries, before: reports.get(origin)?.before ?? before });
    return entries;
  };
  const look = async () => listOthers(directory, await mirror(first, directory));
  let others = await look();
  for (let known = 0; known < others.length;) {
    known = others.length;
    for (const { name, key } of others) {
      await mirror(withKey(first.files.of(name), key), join(directory, 'logs', name));
    }
    others = await look();
  }
  return [...reports.values()];
}

/** The logs that the first `size` entries of a mirrored first log opened. What was read before is not read again. */
async function listOthers(directory: string, size: bigint): Promise<readonly OpenedLog[]> {
  const files = directoryFiles(directory);
  const known = readList(await files.load(LIST));
  const others = known.size <= size ? [...known.logs] : [];
  const from = known.size <= size ? known.size : 0n;
  for await (const { evidence } of walkLog(files, from, size)) {
    for (const [i, { body, certificate, subject }] of evidence.rows.entries()) {
      const index = evidence.first + BigInt(i);
      // What vendors say is signed with a certificate.
      if (index < from || body === undefined || certificate || !subject.startsWith('log:')) continue;
      const event = readLogEvent({ index, statement: parseStatement(body) });
      if (event?.what === 'opened') others.push({ name: event.name, key: event.key });
    }
  }
  const logs = others.map(({ name, key }) => ({ name, key: encodeVerifierKey(key.name, key.publicKey) }));
  await writeOutput(join(directory, LIST), `${JSON.stringify({ size: size.toString(), logs }, undefined, 2)}\n`);
  return others;
}

function readList(bytes: Uint8Array | undefined): { size: bigint; logs: readonly OpenedLog[] } {
  if (!bytes) return { size: 0n, logs: [] };
  try {
    const { size, logs } = parseJson(bytes, { maxBytes: 1 << 20, maxDepth: 4 }) as {
      size: string;
      logs: { name: string; key: string }[];
    };
    return { size: BigInt(size), logs: logs.map(({ name, key }) => ({ name, key: parseVerifierKey(key) })) };
  } catch (error) {
    if (error instanceof Fault || error instanceof TypeError || error instanceof SyntaxError)
      return { size: 0n, logs: [] };
    throw error;
  }
}
