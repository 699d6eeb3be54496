import { overall } from '../checks/steps.ts';
import { countWords } from '../words.ts';
import { Age } from './age.tsx';
import { OutcomeIcon } from './outcome.tsx';
import { useLogCheck } from './use-log-check.ts';
import { useLoaded } from '../hooks.ts';
import { loadLog } from '../api.ts';

/** The log at a glance: how large, how fresh, and whether this browser could check that. */
export function LogStrip({ now }: { now: Date }) {
  const summary = useLoaded('log', loadLog);
  const { findings } = useLogCheck();
  const outcome = overall(findings.steps);
  const size =
    findings.checkpoint?.checkpoint.size ?? (summary.state === 'ready' ? BigInt(summary.value.size) : undefined);
  return (
    <section class="strip" aria-label="The log at a glance">
      <p>
        <span class="strip-figure">{size === undefined ? '–' : countWords(size)}</span> entries in the log
      </p>
      <p>
        <span class="strip-figure">
          {summary.state === 'ready' ? <Age at={new Date(summary.value.committedAt)} now={now} /> : '–'}
        </span>{' '}
        the newest entry was sealed
      </p>
      <p class={`strip-check ${outcome}`}>
        <OutcomeIcon outcome={outcome} />
        <a href="/log">{STRIP_WORDS[outcome]}</a>
      </p>
    </section>
  );
}

const STRIP_WORDS = {
  waiting: 'Checking the newest checkpoint',
  holds: 'Newest checkpoint checked just now',
  fails: 'The log’s checkpoint does not hold',
  open: 'The checkpoint is not fully checked',
};
