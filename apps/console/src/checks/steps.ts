import { Fault } from '@margo-trust/fault';
import { ApiProblem } from '../api.ts';

/** `open`: not checked, for a reason that accuses nobody. Only `holds` may ever look like success. */
export type Outcome = 'waiting' | 'holds' | 'fails' | 'open';

export interface Fact {
  label: string;
  value: string;
  /** Too long to read: shown shortened, with a button that copies it whole. */
  isOpaque?: boolean;
}

export interface Step {
  id: string;
  title: string;
  outcome: Outcome;
  /** What was found, in a sentence. */
  said: string;
  facts: Fact[];
}

export interface Told {
  said: string;
  facts?: Fact[];
}

/** Thrown by a check that cannot be made. */
export class NotChecked extends Error {}

/** Thrown by a check whose answer is no, when no Fault says it already. */
export class Refused extends Error {
  readonly facts: Fact[];

  constructor(message: string, facts: Fact[] = []) {
    super(message);
    this.facts = facts;
  }
}

export type Plan = readonly (readonly [id: string, title: string])[];

export interface Checks {
  /** Runs one planned check. Only if it holds, the value is kept, before the result is shown, and returned. */
  check<T>(
    id: string,
    work: () => T | Promise<T>,
    tell: (value: T) => Told,
    keep?: (value: T) => void,
  ): Promise<T | undefined>;
}

/** A list of checks to be made in order; `show` gets a new list after each. */
export function planChecks(plan: Plan, show: (steps: Step[]) => void): Checks {
  const steps = waitingSteps(plan);
  const conclude = (id: string, outcome: Outcome, { said, facts = [] }: Told) => {
    const at = steps.findIndex((step) => step.id === id);
    const step = steps[at];
    if (!step) throw new Error(`No check "${id}" was planned.`);
    steps[at] = { ...step, outcome, said, facts };
    show([...steps]);
  };
  return {
    async check(id, work, tell, keep) {
      try {
        const value = await work();
        const told = tell(value);
        keep?.(value);
        conclude(id, 'holds', told);
        return value;
      } catch (error) {
        conclude(id, ...judgement(error));
        return undefined;
      }
    },
  };
}

/** Checks that have not begun, so that a page can hold their place. */
export function waitingSteps(plan: Plan): Step[] {
  return plan.map(([id, title]) => ({ id, title, outcome: 'waiting', said: '', facts: [] }));
}

/** The list as one outcome: a single refusal outweighs everything, and what is open keeps the whole from holding. */
export function overall(steps: readonly Step[]): Outcome {
  for (const outcome of ['fails', 'waiting', 'open'] as const)
    if (steps.some((step) => step.outcome === outcome)) return outcome;
  return steps.length === 0 ? 'open' : 'holds';
}

/** A result that an earlier check should have given. */
export function needed<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new NotChecked(`Not checked, because ${what}.`);
  return value;
}

function judgement(error: unknown): [Outcome, Told] {
  if (error instanceof NotChecked) return ['open', { said: error.message }];
  if (error instanceof ApiProblem)
    return ['open', { said: `Not checked, because the evidence could not be fetched. ${error.message}` }];
  if (error instanceof Refused) return ['fails', { said: error.message, facts: error.facts }];
  if (error instanceof Fault) {
    const facts = [{ label: 'Code', value: error.code }];
    if (error.code === 'crypto/unsupported') return ['open', { said: `Not checked: ${error.message}`, facts }];
    return ['fails', { said: error.message, facts }];
  }
  console.error(error);
  return ['open', { said: 'Not checked, because of an error in this page. The browser’s console has the details.' }];
}
