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

it('each reason of an outage is logged once, also when the first was only a watch that broke off', () => {
  const said: string[] = [];
  const tell = (about: object, message: string): void => void said.push(`${message}: ${'err' in about ? (about.err as Error).message : ''}`);
  const contact = new Contact({ warn: tell, info: tell, debug: () => undefined } as unknown as Logger, new ManualClock());
  for (const round of [1, 2]) {
    for (const resource of ['pods', 'nodes']) contact.failed(resource, new ApiError('watch broke off'));
    for (const resource of ['pods', 'nodes']) contact.failed(resource, new ApiError('certificate has expired'));
    for (let i = 0; i < 100; i++) contact.failed('pods', new ApiError(`another text, ${round} ${i}`));
    for (const resource of ['pods', 'nodes']) contact.good(resource);
  }
  const outage = (round: number): string[] => [
    'API server lost, will retry: watch broke off', 'API server still lost, for another reason: certificate has expired',
    ...[0, 1, 2].map((i) => `API server still lost, for another reason: another text, ${round} ${i}`), 'API server regained: ',
  ];
  expect(said).toEqual([...outage(1), ...outage(2)]);
});
