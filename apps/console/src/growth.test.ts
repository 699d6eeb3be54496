import { expect, it } from 'vitest';
import { growthOf, sampleIndices } from './growth.ts';

it('spreads samples from the first to the last entry', () => {
  expect(sampleIndices(101, 5)).toEqual([0, 25, 50, 75, 100]);
});

it('keeps one point a second, in order of size', () => {
  const at = (second: number) => `2026-11-25T21:30:0${second}Z`;
  const points = growthOf([
    { index: '3', registeredAt: at(2) },
    { index: '2', registeredAt: at(1) },
    { index: '1', registeredAt: at(1) },
    { index: '0', registeredAt: at(0) },
  ]);
  expect(points.map(({ size }) => size)).toEqual([1, 3, 4]);
});
