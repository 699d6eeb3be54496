import type { LogEntry } from '@margo-trust/wire';
import { loadEntries, loadEntry } from './api.ts';

/** The log had `size` entries at this time, by the registry's word. */
export interface GrowthPoint {
  at: Date;
  size: number;
}

/** A young log is read whole; of an old one a few entries, evenly spread, tell the shape. */
export async function loadGrowth(size: number): Promise<GrowthPoint[]> {
  if (size <= WHOLE) return growthOf((await loadEntries({ limit: WHOLE })).items);
  return growthOf(await Promise.all(sampleIndices(size, SAMPLES).map((index) => loadEntry(String(index)))));
}

/** `count` indices from 0 to `size` - 1, both ends included, evenly spread. */
export function sampleIndices(size: number, count: number): number[] {
  return Array.from({ length: count }, (_, n) => Math.round((n * (size - 1)) / (count - 1)));
}

/** Entries in any order become points in order; of entries in the same second the last one stands for all. */
export function growthOf(entries: readonly Pick<LogEntry, 'index' | 'registeredAt'>[]): GrowthPoint[] {
  const bySecond = new Map<number, number>();
  for (const { index, registeredAt } of entries) {
    const second = new Date(registeredAt).getTime();
    bySecond.set(second, Math.max(bySecond.get(second) ?? 0, Number(index) + 1));
  }
  return [...bySecond].map(([second, size]) => ({ at: new Date(second), size })).sort((a, b) => a.size - b.size);
}

const WHOLE = 100;
const SAMPLES = 16;
