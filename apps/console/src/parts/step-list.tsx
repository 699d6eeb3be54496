import type { Step } from '../checks/steps.ts';
import { Facts } from './facts.tsx';
import { OUTCOME_WORDS, OutcomeIcon } from './outcome.tsx';

/** Checks with their results, in order. */
export function StepList({ steps }: { steps: readonly Step[] }) {
  return (
    <ol class="steps">
      {steps.map((step) => (
        <li key={step.id} class={step.outcome} data-step={step.id}>
          <OutcomeIcon outcome={step.outcome} />
          <div>
            <p class="step-title">
              <span>{step.title}</span> <span class="step-outcome">{OUTCOME_WORDS[step.outcome]}</span>
            </p>
            <p class="step-said">{step.said}</p>
            {step.facts.length > 0 && <Facts items={step.facts} />}
          </div>
        </li>
      ))}
    </ol>
  );
}
