import { encodeHex } from '@margo-trust/bytes';
import type { Memory } from '../memory.ts';
import { dateWords, dayWords, plural } from '../words.ts';
import { checkContinuity, loadCheckpoint, type Continuity, type SignedCheckpoint } from './checkpoint.ts';
import type { Source } from './source.ts';
import { needed, planChecks, waitingSteps, type Step, type Told } from './steps.ts';
import { loadTrust, type Trust } from './trust.ts';

/** What a look at the log as a whole established. */
export interface LogFindings {
  steps: readonly Step[];
  trust?: Trust;
  checkpoint?: SignedCheckpoint;
}

const PLAN = [
  ['trust', 'The trust root is signed'],
  ['checkpoint', 'The newest checkpoint is signed'],
  ['history', 'The log has only grown'],
] as const;

export const LOG_CHECKS = waitingSteps(PLAN);

/** The checks of the log page, in an order in which each leans on the ones before. */
export async function verifyLog(
  { source, memory, now }: { source: Source; memory: Memory; now: Date },
  show: (findings: LogFindings) => void,
): Promise<LogFindings> {
  const found: LogFindings = { steps: LOG_CHECKS };
  const { check } = planChecks(PLAN, (steps) => {
    found.steps = steps;
    show({ ...found });
  });

  await check(
    'trust',
    () => loadTrust(source, memory, now),
    (value) => tellTrust(value, now),
    (value) => (found.trust = value),
  );
  await check(
    'checkpoint',
    () => loadCheckpoint(source, needed(found.trust, 'there is no trust root with the log’s key')),
    tellCheckpoint,
    (value) => (found.checkpoint = value),
  );
  await check(
    'history',
    () => checkContinuity(source, memory, needed(found.checkpoint, 'there is no signed checkpoint'), now),
    tellContinuity,
  );
  return found;
}

export function tellTrust({ rootVersion, stale, firstSeen }: Trust, now: Date): Told {
  const origin =
    firstSeen.getTime() === now.getTime()
      ? 'taken on the registry’s word, because this is this browser’s first visit'
      : `following from the one this browser first saw on ${dayWords(firstSeen)}`;
  const late =
    stale.length === 0
      ? ''
      : ` It is past its date (${stale.map(({ role }) => role).join(', ')}), so news may be missing.`;
  return { said: `Version ${rootVersion} of the trust root, ${origin}.${late}` };
}

function tellContinuity(continuity: Continuity): Told {
  if (continuity.since === 'first-visit') {
    return {
      said: 'This is the first checkpoint this browser has seen. It is remembered, and the next one must follow from it.',
    };
  }
  const { seen, size } = continuity.since;
  const known = `what this browser saw on ${dateWords(seen)}, ${plural(size, 'entry', 'entries')}`;
  if (continuity.grown < 0n)
    return { said: `The checkpoint served is a little older than ${known}, and is its beginning.` };
  if (continuity.grown === 0n) return { said: `It is the same as ${known}.` };
  return { said: `It begins with ${known}, and ${plural(continuity.grown, 'entry', 'entries')} followed.` };
}

export function tellCheckpoint({ checkpoint, log }: SignedCheckpoint): Told {
  return {
    said: `The log’s key signed a tree of ${plural(checkpoint.size, 'entry', 'entries')}.`,
    facts: [
      { label: 'Tree root', value: encodeHex(checkpoint.root), isOpaque: true },
      { label: 'Log', value: log.origin },
    ],
  };
}
