import { describe, expect, it } from 'vitest';
import { Batches, Failed } from './batches.ts';

describe('Batches', () => {
  const seen: number[][] = [];
  let open: (() => void)[] = [];
  const batches = new Batches<number, string>(async (items) => {
    seen.push([...items]);
    await new Promise<void>((resolve) => open.push(resolve));
    if (items.includes(13)) throw new Error('all of it');
    return items.map((item) => (item % 2 === 0 ? `even ${item}` : new Failed(new Error(`odd ${item}`))));
  }, 3);
  const release = async () => {
    for (let turn = 0; turn < 20 && open.length === 0; turn += 1) await Promise.resolve();
    for (const each of open.splice(0)) each();
    await new Promise((resolve) => setImmediate(resolve));
  };

  it('takes together what arrives while it works, so many at once, and answers each', async () => {
    seen.length = 0;
    const first = batches.add(0);
    await new Promise((resolve) => setImmediate(resolve));
    const later = [2, 4, 6, 8].map((item) => batches.add(item));
    await release();
    expect(await first).toBe('even 0');
    await release();
    await release();
    expect(await Promise.all(later)).toEqual(['even 2', 'even 4', 'even 6', 'even 8']);
    expect(seen).toEqual([[0], [2, 4, 6], [8]]);
  });

  it('works on as many batches at once as it has lanes', async () => {
    const begun: number[][] = [];
    const opened: (() => void)[] = [];
    const wide = new Batches<number, number>(
      async (items) => {
        begun.push([...items]);
        await new Promise<void>((resolve) => opened.push(resolve));
        return items;
      },
      8,
      2,
    );
    const answers: Promise<number>[] = [];
    for (const item of [1, 2, 3, 4]) {
      answers.push(wide.add(item));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(begun).toEqual([[1], [2]]);
    opened[1]!();
    expect(await answers[1]).toBe(2); // while the first one hangs
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun).toEqual([[1], [2], [3, 4]]);
    for (const each of opened) each();
    expect(await Promise.all(answers)).toEqual([1, 2, 3, 4]);
  });

  it('takes what somebody asks for as soon as he is answered', async () => {
    const echo = new Batches<number, number>(async (items) => items, 3);
    const both = echo.add(1).then((one) => echo.add(one + 1));
    expect(await Promise.race([both, new Promise((resolve) => setTimeout(resolve, 1_000, 'never'))])).toBe(2);
  });

  it('fails one without the others, or all when the work itself fails', async () => {
    open = [];
    const mixed = Promise.allSettled([batches.add(2), batches.add(3)]);
    await release();
    expect((await mixed).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    const doomed = Promise.allSettled([batches.add(2), batches.add(13)]);
    await release();
    expect((await doomed).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const after = batches.add(2);
    await release();
    expect(await after).toBe('even 2');
  });
});
