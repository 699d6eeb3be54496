import { Injectable } from '@nestjs/common';

/** Says `undefined` when all is well, else one sentence for the operator that holds no secret. */
export type ReadinessCheck = () => Promise<string | undefined>;

/** Facts for an operator, whatever they are; `undefined` when there is nothing to tell. They hold no secret. */
export type ReadinessDetail = () => Promise<Readonly<Record<string, string>> | undefined>;

/** What must hold before this process should be sent writes. Areas add their checks when they start. */
@Injectable()
export class Readiness {
  private readonly checks = new Map<string, ReadinessCheck>();
  private readonly details = new Map<string, ReadinessDetail>();

  add(name: string, check: ReadinessCheck): void {
    if (this.checks.has(name)) throw new Error(`There is already a readiness check ${name}.`);
    this.checks.set(name, check);
  }

  /** Adds facts that do not decide anything. */
  describe(name: string, detail: ReadinessDetail): void {
    this.details.set(name, detail);
  }

  /** What there is to tell, by name. A detail that cannot be had is left out. */
  async facts(): Promise<Record<string, Readonly<Record<string, string>>>> {
    const facts = await Promise.all(
      [...this.details].map(async ([name, detail]) => [name, await detail().catch(() => undefined)] as const),
    );
    return Object.fromEntries(facts.filter((fact): fact is [string, Record<string, string>] => fact[1] !== undefined));
  }

  /** The checks that fail now, by name. A check that throws or takes longer than two seconds fails. */
  async failures(): Promise<Record<string, string>> {
    const results = await Promise.all(
      [...this.checks].map(async ([name, check]) => [name, await withinTwoSeconds(check)] as const),
    );
    return Object.fromEntries(results.filter((result): result is [string, string] => result[1] !== undefined));
  }
}

async function withinTwoSeconds(check: ReadinessCheck): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('no answer within two seconds'), 2_000);
  });
  try {
    return await Promise.race([check(), late]);
  } catch {
    return 'the check itself failed';
  } finally {
    clearTimeout(timer);
  }
}
