import type { ComponentChildren } from 'preact';
import type { Outcome } from '../checks/steps.ts';
import { OutcomeIcon } from './outcome.tsx';

/** The one sentence that a page is about, with its outcome. Spoken when it changes. */
export function Verdict({
  outcome,
  title,
  children,
}: {
  outcome: Outcome;
  title: string;
  children: ComponentChildren;
}) {
  return (
    <div class={`verdict ${outcome}`} role="status" data-outcome={outcome}>
      <OutcomeIcon outcome={outcome} />
      <div>
        <p class="verdict-title">{title}</p>
        <p>{children}</p>
      </div>
    </div>
  );
}
