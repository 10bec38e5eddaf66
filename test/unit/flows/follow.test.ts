import { expect, it } from 'vitest';
import { follow } from '../../../agent/cli/commands/drops.js';
import { dropsView } from '../../../agent/daemon/admin/drops.js';
import type { AdminSources } from '../../../agent/daemon/admin/sources.js';
import { EventPump } from '../../../agent/flows/event-pump.js';
import { RecentEvents } from '../../../agent/flows/recent-events.js';
import { ManualClock } from '../../support/manual-clock.js';
import { denied } from './records.js';

/** A ring that counts how often it is looked into, and what an agent and `canal drops -f` make of it. */
function agentWithFollower() {
  const clock = new ManualClock();
  const records: Buffer[] = [];
  let looks = 0;
  const drain = (): Buffer[] => (looks++, records.splice(0));
  const events = new RecentEvents(100);
  const pump = new EventPump({ drain }, clock, (event) => events.add(event));
  const maps = { drops: () => new Map(), full: () => new Map() };
  const sources = { clock, events, loop: {}, kernel: { maps }, drainEvents: () => void pump.drainNow() } as unknown as AdminSources;
  const shown: number[] = [];
  const stop = new AbortController();
  const start = (): Promise<void> => follow(async (query) => dropsView(sources, new URLSearchParams(query)), (event) => shown.push(event.destinationPort), clock, stop.signal);
  return { clock, records, pump, shown, start, stop: () => stop.abort(), looks: () => looks };
}

it('shows an event to who follows within 100 ms, however long nothing happened before', async () => {
  const { clock, records, pump, shown, start, stop } = agentWithFollower();
  pump.start();
  await clock.advance(10_000);
  const following = start();
  for (const port of [1, 2, 3]) {
    await clock.advance(5_050);
    records.push(denied(port));
    await clock.advance(100);
    expect(shown.at(-1)).toBe(port);
  }
  stop();
  await Promise.all([following, pump.close()]);
  expect(shown).toEqual([1, 2, 3]);
});

it('looks into a quiet ring seldom while nobody follows', async () => {
  const { clock, pump, looks } = agentWithFollower();
  pump.start();
  await clock.advance(5_000);
  const before = looks();
  await clock.advance(8_000);
  expect(looks() - before).toBe(10);
  await pump.close();
});

it('does not show what was there before it was asked to follow', async () => {
  const { clock, records, shown, start, stop } = agentWithFollower();
  records.push(denied(7));
  const following = start();
  await clock.advance(1_000);
  stop();
  await following;
  expect(shown).toEqual([]);
});
