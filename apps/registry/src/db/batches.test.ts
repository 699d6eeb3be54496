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
