import { expect, it } from 'vitest';
import type { Logger } from '../../../agent/base/log.js';
import { ApiError } from '../../../agent/datastore/api-error.js';
import { Contact } from '../../../agent/datastore/health.js';
import { ManualClock } from '../../support/manual-clock.js';

const log = { warn: () => undefined, info: () => undefined, debug: () => undefined } as unknown as Logger;

/** Two resources fail, the first with `error`, and the second is well again: does the first still sleep? */
async function sleepsOn(error: unknown): Promise<boolean> {
  const clock = new ManualClock();
  const contact = new Contact(log, clock);
  contact.failed('networkpolicies', error);
  contact.failed('pods', error);
  let asleep = true;
  const slept = contact.sleep(30_000, error, new AbortController().signal).then(() => (asleep = false));
  await clock.advance(1_000);
  expect(asleep).toBe(true);
  contact.good('pods');
  await clock.advance(0);
  const after = asleep;
  await clock.advance(30_000);
  await slept;
  return after;
}

it('a resource that had no answer tries again as soon as another one is served', async () => {
  expect(await sleepsOn(new ApiError('connect ECONNREFUSED'))).toBe(false);
  expect(await sleepsOn(new ApiError('no endpoints available', { status: 503 }))).toBe(false);
});

it('a resource whose request was refused waits its time, whatever others do', async () => {
  expect(await sleepsOn(new ApiError('forbidden', { status: 403 }))).toBe(true);
});

it('a resource that was well all along wakes nobody', async () => {
  const clock = new ManualClock();
  const contact = new Contact(log, clock);
  contact.failed('pods', new ApiError('reset'));
  let asleep = true;
  void contact.sleep(30_000, new ApiError('reset'), new AbortController().signal).then(() => (asleep = false));
  contact.good('nodes');
  await clock.advance(29_000);
  expect(asleep).toBe(true);
  await clock.advance(1_000);
  expect(asleep).toBe(false);
});
