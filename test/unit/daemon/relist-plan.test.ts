import { describe, expect, it } from 'vitest';
import { RelistPlan } from '../../../agent/daemon/relist-plan.js';

const THINGS = ['a', 'b', 'c', 'd'] as const;

describe('when what is listed anew', () => {
  it('is everything at once at first, and then each thing once a minute, one after another', () => {
    const plan = new RelistPlan(THINGS);
    expect(plan.take(1000)).toEqual(THINGS);
    const taken: [string, number][] = [];
    while (taken.length < 12) for (const thing of plan.take(plan.nextMs)) taken.push([thing, Math.round((plan.nextMs - 1000) / 1000)]);
    expect(taken.map(([thing]) => thing)).toEqual(['d', 'c', 'b', 'a', 'd', 'c', 'b', 'a', 'd', 'c', 'b', 'a']);
    expect(plan.take(plan.nextMs - 1)).toEqual([]);
  });

  it('is never later than a minute, and drawn apart again where it came together', () => {
    const plan = new RelistPlan(THINGS);
    plan.take(0);
    expect(plan.take(60_000).sort()).toEqual(THINGS);
    const moments = new Set<number>();
    for (let nowMs = 60_001; nowMs <= 120_000; nowMs++) if (plan.nextMs <= nowMs && plan.take(nowMs).length === 1) moments.add(nowMs);
    expect(moments.size).toBe(THINGS.length);
  });
});
