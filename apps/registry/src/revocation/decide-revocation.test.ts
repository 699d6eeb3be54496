import fc from 'fast-check';
import { REVOCATION_REASONS } from '@margo-trust/wire';
import { describe, expect, it } from 'vitest';
import {
  checkInvalidityDate,
  compareVerdicts,
  type HeldVerdict,
  isOnCrl,
  narrower,
  type Verdict,
} from './decide-revocation.ts';

const day = (n: number) => new Date(Date.UTC(2026, 0, n));
const revokedAt = day(20);
const refusal = expect.objectContaining({ code: 'revocation/narrower' }) as Error;

/** Whether `asked` is to be decided (true) or holds already (false), when nobody asks for a quorum. */
function isNewDecision(asked: Verdict, before: HeldVerdict | undefined): boolean {
  const change = compareVerdicts(asked, before);
  if (change === 'narrower') throw narrower();
  return change !== 'same';
}

describe('a verdict beside the one that holds', () => {
  it('decides once, and takes a repetition for what it is', () => {
    for (const reason of REVOCATION_REASONS) {
      expect(isNewDecision({ reason }, undefined)).toBe(true);
      expect(isNewDecision({ reason }, { reason, revokedAt })).toBe(false);
      const dated = { reason, invalidityDate: day(5) };
      expect(isNewDecision({ ...dated }, { ...dated, revokedAt })).toBe(false);
    }
  });

  it('lets the invalidity date move earlier, not later', () => {
    const before = { reason: 'keyCompromise', invalidityDate: day(10), revokedAt } as const;
    expect(isNewDecision({ reason: 'keyCompromise', invalidityDate: day(9) }, before)).toBe(true);
    expect(isNewDecision({ reason: 'keyCompromise' }, before)).toBe(true);
    expect(() => isNewDecision({ reason: 'keyCompromise', invalidityDate: day(11) }, before)).toThrow(refusal);
    const all = { reason: 'keyCompromise', revokedAt } as const;
    expect(() => isNewDecision({ reason: 'keyCompromise', invalidityDate: day(1) }, all)).toThrow(refusal);
  });

  it('lets a replaced key be found compromised later, not the other way', () => {
    const replaced = { reason: 'superseded', revokedAt } as const;
    expect(isNewDecision({ reason: 'keyCompromise' }, replaced)).toBe(true);
    expect(isNewDecision({ reason: 'keyCompromise', invalidityDate: day(15) }, replaced)).toBe(true);
    expect(() => isNewDecision({ reason: 'superseded' }, { reason: 'keyCompromise', revokedAt })).toThrow(refusal);
    const dated = { reason: 'keyCompromise', invalidityDate: day(15), revokedAt } as const;
    expect(() => isNewDecision({ reason: 'superseded', invalidityDate: day(15) }, dated)).toThrow(refusal);
  });

  it('never trusts a signature again, whatever is asked in whatever order', () => {
    const verdict: fc.Arbitrary<Verdict> = fc.record(
      { reason: fc.constantFrom(...REVOCATION_REASONS), invalidityDate: fc.integer({ min: 1, max: 25 }).map(day) },
      { requiredKeys: ['reason'] },
    );
    fc.assert(
      fc.property(fc.array(verdict, { maxLength: 8 }), (asked) => {
        let held: (Verdict & { revokedAt: Date }) | undefined;
        asked.forEach((one, i) => {
          const before = held;
          try {
            if (isNewDecision(one, held)) held = { ...one, revokedAt: held?.revokedAt ?? day(30 + i) };
          } catch (error) {
            expect(error).toEqual(refusal);
          }
          if (before === undefined || held === undefined) return;
          for (let n = 0; n < 45; n++) if (isRefused(before, day(n))) expect(isRefused(held, day(n))).toBe(true);
          if (isOnCrl(before)) expect(isOnCrl(held)).toBe(true);
        });
      }),
    );
  });
});

/** As devices judge a signature of this time. */
function isRefused({ reason, invalidityDate, revokedAt: at }: Verdict & { revokedAt: Date }, time: Date): boolean {
  const keepsOlder = ['superseded', 'affiliationChanged', 'cessationOfOperation'].includes(reason);
  const from = invalidityDate ?? (keepsOlder ? at : undefined);
  return from === undefined || time >= from;
}

describe('checkInvalidityDate', () => {
  it('refuses days to come and days before the certificate', () => {
    expect(() => checkInvalidityDate(day(3), day(2), day(1))).toThrow(/still to come/);
    expect(() => checkInvalidityDate(day(1), day(3), day(2))).toThrow(/leave it out/);
    checkInvalidityDate(day(2), day(2), day(2));
  });
});
