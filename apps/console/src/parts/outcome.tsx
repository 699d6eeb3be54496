import type { Outcome } from '../checks/steps.ts';

/** The word that goes with an outcome: no state is told by colour or shape alone. */
export const OUTCOME_WORDS: Record<Outcome, string> = {
  waiting: 'Checking',
  holds: 'Holds',
  fails: 'Does not hold',
  open: 'Not checked',
};

export function OutcomeIcon({ outcome }: { outcome: Outcome }) {
  return (
    <svg class={`outcome-icon ${outcome}`} viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <circle
        cx="10"
        cy="10"
        r="8.5"
        fill="none"
        stroke="currentColor"
        stroke-width="2"
        stroke-dasharray={outcome === 'waiting' ? '30 24' : undefined}
      />
      <path
        d={SHAPES[outcome]}
        fill="none"
        stroke="currentColor"
        stroke-width="2"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}

const SHAPES: Record<Outcome, string> = {
  waiting: '',
  holds: 'm6 10.3 2.8 2.7L14 7.5',
  fails: 'm7 7 6 6M13 7l-6 6',
  open: 'M6.5 10h7',
};
