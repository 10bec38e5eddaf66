import { expect, it } from 'vitest';
import { Backoff } from '../../../agent/datastore/backoff.js';

const waits = (retryAfterMs: number | undefined, random: () => number): number[] => {
  const backoff = new Backoff({ baseMs: 500, capMs: 30_000, random });
  return Array.from({ length: 12 }, () => backoff.nextMs(retryAfterMs));
};

it('waits grow from the base to the cap where the server says nothing', () => {
  expect(waits(undefined, () => 1).slice(0, 8)).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

it('a server that says when it wants to be asked again is not asked before, and at the latest after twice the time, however often it refused', () => {
  for (const wait of waits(5000, () => 0)) expect(wait).toBe(5000);
  expect(Math.max(...waits(5000, () => 1))).toBe(10_000);
  expect(Math.max(...waits(1, () => 1))).toBe(501);
});

it('a wish of an hour is not granted', () => {
  expect(Math.max(...waits(3_600_000, () => 1))).toBe(150_000);
});
