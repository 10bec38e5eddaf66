import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Logger } from '../../../agent/base/log.js';
import { createKubeClient, type KubeClient } from '../../../agent/datastore/client.js';
import { Contact } from '../../../agent/datastore/health.js';
import { loadConnection } from '../../../agent/datastore/load-connection.js';
import { Reflector } from '../../../agent/datastore/reflector.js';
import { PODS } from '../../../agent/datastore/resource.js';
import { expired, HostileApi, type HostileObject } from '../../support/hostile-api.js';
import { ManualClock, until } from '../../support/manual-clock.js';
import { Random, testSeed } from '../../support/random.js';

const pod = (name: string, value = ''): HostileObject => ({ metadata: { namespace: 'ns', name }, value });

/** Keeps what it is told, as the store would. */
class MapSink {
  readonly values = new Map<string, string>();
  syncs = 0;
  put(key: string, value: string | undefined): void {
    this.values.set(key, value!);
  }
  gone(key: string): void {
    this.values.delete(key);
  }
  synced(): void {
    this.syncs++;
  }
}

let api: HostileApi;
let clock: ManualClock;
let sink: MapSink;
let client: KubeClient;
let reflector: Reflector<string>;
let stop: AbortController;
let running: Promise<void>;
let lines: { level: string; message: string }[];

function begin(random: () => number = () => 0.5): void {
  const write = (level: string) => (_: unknown, message: string) => void lines.push({ level, message });
  const log = { warn: write('warn'), info: write('info'), debug: () => undefined } as unknown as Logger;
  const decode = (raw: unknown): { value: string; problems: [] } => ({ value: String((raw as HostileObject)['value']), problems: [] });
  reflector = new Reflector({
    resource: PODS, decode, sink, client, clock, random,
    key: (namespace, name) => `${namespace}/${name}`,
    contact: new Contact(log, clock),
  });
  running = reflector.run(stop.signal);
}

const state = (): [string, string][] => [...sink.values].sort();
const truth = (): [string, string][] => [...api.objects].map(([key, object]): [string, string] => [key, String(object['value'])]).sort();
const agrees = (): boolean => JSON.stringify(state()) === JSON.stringify(truth());
const watching = (): Promise<void> => until(() => api.watching === 1);

beforeEach(async () => {
  api = await new HostileApi().start();
  clock = new ManualClock();
  sink = new MapSink();
  lines = [];
  stop = new AbortController();
  client = createKubeClient(await loadConnection({ apiUrl: api.url, env: {}, clock, accountDir: '/nonexistent' }), clock);
});

afterEach(async () => {
  stop.abort();
  await running;
  client.close();
  await api.stop();
});

describe('list', () => {
  it('reads a collection of 1,200 in pages of 500 and then says that it is synced', async () => {
    for (let i = 0; i < 1_200; i++) api.put(pod(`p${i}`, String(i)));
    begin();
    await watching();
    expect(sink.syncs).toBe(1);
    expect(api.seen.filter((s) => s.kind === 'list').map((s) => s.query.get('limit'))).toEqual(['500', '500', '500']);
    expect(state()).toEqual(truth());
  });

  it('starts again, in one piece, when the continue token has run out between pages', async () => {
    for (let i = 0; i < 1_200; i++) api.put(pod(`p${i}`));
    api.faults.push({ on: 'list', do: 'answer', status: 200, body: { metadata: { resourceVersion: '7', continue: '7:500' }, items: [pod('ghost')] } });
    api.compact();
    begin();
    await watching();
    expect(api.seen.map((s) => s.query.get('limit')).slice(0, 3)).toEqual(['500', '500', null]);
    expect(state()).toEqual(truth());
  });

  it('asks for a consistent list: without resourceVersion', async () => {
    begin();
    await watching();
    expect(api.seen[0]!.query.has('resourceVersion')).toBe(false);
  });

  it('skips and counts what is no object', async () => {
    const items = [null, 5, 'x', {}, { metadata: {} }, { metadata: { name: 'no-namespace' } }, pod('good', 'v')];
    api.faults.push({ on: 'list', do: 'answer', status: 200, body: { metadata: { resourceVersion: '100' }, items } });
    begin();
    await watching();
    expect(state()).toEqual([['ns/good', 'v']]);
    expect(reflector.health().badObjects).toBe(6);
  });

  it.each([['null', 'null'], ['HTML', '<html>'], ['another kind', '{"kind":"Pod","metadata":{}}'], ['half', '{"metadata":{"resource']])(
    'tries again after an answer that is no list: %s',
    async (_, body) => {
      api.put(pod('a', '1'));
      api.faults.push({ on: 'list', do: 'answer', status: 200, body });
      begin();
      await until(() => agrees() && sink.syncs === 1, clock, 100);
      expect(api.count('list')).toBe(2);
    },
  );
});

describe('watch', () => {
  it('delivers what is added, changed and deleted', async () => {
    api.put(pod('a', '1'));
    begin();
    await watching();
    api.put(pod('b', '1'));
    api.put(pod('a', '2'));
    api.delete('ns/b');
    api.put(pod('c', '1'));
    await until(() => sink.values.has('ns/c'));
    expect(state()).toEqual(truth());
    expect(api.count('list')).toBe(1);
  });

  it.each<[string, Parameters<HostileApi['cut']>[0]]>([
    ['ended in order', 'end'],
    ['cut in mid-line', 'mid-line'],
    ['spoilt by a line that is no JSON', { bytes: '{"type":"ADDED",\n' }],
    ['ended in mid-line', { bytes: '{"type":"ADDED","object":{"metadata"' }],
    ['ended by a server error', { bytes: '{"type":"ERROR","object":{"kind":"Status","code":500,"message":"etcd"}}\n' }],
    ['ended by an error without a Status', { bytes: '{"type":"ERROR","object":null}\n' }],
  ])('goes on without a loss and without a list after a stream was %s', async (_, how) => {
    begin();
    await watching();
    api.put(pod('a', '1'));
    await until(agrees);
    await clock.advance(1_500);
    api.cut(how);
    api.put(pod('b', '1'));
    api.delete('ns/a');
    await until(agrees, clock, 100);
    expect(api.count('list')).toBe(1);
  });

  it.each(['at its start', 'by an ERROR event'])('lists again when its version has run out, told %s, and reports what has gone', async (where) => {
    api.put(pod('a', '1'));
    api.put(pod('b', '1'));
    begin();
    await watching();
    api.silence();
    api.delete('ns/a');
    api.put(pod('c', '1'));
    api.compact();
    if (where === 'by an ERROR event') api.faults.push({ on: 'watch', do: 'stream', bytes: `${JSON.stringify({ type: 'ERROR', object: expired })}\n` });
    await until(agrees, clock, 1_000);
    expect(api.count('list')).toBe(2);
    expect(lines).toEqual([]);
  });

  it('resumes from the version of a bookmark', async () => {
    begin();
    await watching();
    api.version = 900;
    api.bookmark();
    await until(() => reflector.health().resourceVersion === '900');
    api.cut('end');
    await until(() => api.count('watch') === 2, clock, 100);
    expect(api.seen.at(-1)!.query.get('resourceVersion')).toBe('900');
  });

  it('lists again when the server keeps failing at one version', async () => {
    api.put(pod('a', '1'));
    for (let i = 0; i < 3; i++) api.faults.push({ on: 'watch', do: 'answer', status: 500, body: 'boom' });
    begin();
    await until(() => api.watching === 1, clock, 200);
    expect(api.count('list')).toBe(2);
  });

  it('does not list again, and waits longer each time, while it may not watch', async () => {
    for (let i = 0; i < 6; i++) api.faults.push({ on: 'watch', do: 'answer', status: 403, body: { kind: 'Status', code: 403, reason: 'Forbidden' } });
    begin();
    await until(() => api.watching === 1, clock, 200);
    expect(api.count('list')).toBe(1);
    // 0.25 + 0.5 + 1 + 2 + 4 + 8 s, half of each bound.
    expect(clock.monotonic()).toBeGreaterThanOrEqual(15_000);
  });

  it('does not ask in a tight loop where each watch ends at once', async () => {
    for (let i = 0; i < 5; i++) api.faults.push({ on: 'watch', do: 'stream', bytes: '' });
    begin();
    await until(() => api.watching === 1, clock, 100);
    expect(clock.monotonic()).toBeGreaterThanOrEqual(7_000);
  });
});

describe('half-open connections', () => {
  it('finds a stream that has gone silent within 30 s, and what was missed on it', async () => {
    begin();
    await watching();
    api.silence();
    api.put(pod('missed', '1'));
    await until(agrees, clock, 500);
    expect(clock.monotonic()).toBeLessThan(30_000);
    expect(reflector.health().silentWatches).toBe(1);
  });

  it('finds a busy stream that has gone silent as soon', async () => {
    begin();
    await watching();
    api.put(pod('a', '1'));
    await until(agrees);
    api.cut('end');
    await watching();
    expect(Number(api.seen.at(-1)!.query.get('timeoutSeconds'))).toBeGreaterThanOrEqual(300);
    const since = clock.monotonic();
    api.silence();
    api.put(pod('missed', '1'));
    await until(agrees, clock, 500);
    expect(clock.monotonic() - since).toBeLessThan(30_000);
  });

  it.each(['watch', 'list'] as const)('gives up a %s that is taken and never answered, within 30 s, and says so once', async (on) => {
    api.put(pod('a', '1'));
    api.faults.push({ on, do: 'hang' });
    begin();
    await until(() => api.watching === 1, clock, 500);
    expect(clock.monotonic()).toBeLessThan(30_000);
    await until(() => lines.length === 2, clock, 100);
    expect(lines.map((l) => l.message)).toEqual(['API server lost, will retry', 'API server regained']);
  });

  it('asks a quiet server for short watches, over one connection', async () => {
    begin();
    for (let i = 1; i <= 4; i++) {
      await until(() => api.count('watch') === i && api.watching === 1, clock, 100);
      await clock.advance(2_000);
      api.cut('end');
    }
    expect(api.seen.filter((s) => s.kind === 'watch').every((s) => Number(s.query.get('timeoutSeconds')) <= 20)).toBe(true);
    expect(new Set(api.seen.map((s) => s.socket)).size).toBe(1);
    expect(lines).toEqual([]);
  });
});

describe('an API server that is away', () => {
  it('is found again on the same address, with one line on losing and one on regaining', async () => {
    api.put(pod('a', '1'));
    begin();
    await watching();
    await clock.advance(2_000);
    await api.stop();
    await clock.advance(60_000);
    await until(() => reflector.health().failures >= 5, clock, 1_000);
    expect(reflector.health()).toMatchObject({ state: 'waiting', synced: true });
    await api.start();
    api.put(pod('b', '1'));
    await until(agrees, clock, 1_000);
    await until(() => reflector.health().failures === 0, clock, 100);
    expect(lines.map((l) => l.level)).toEqual(['warn', 'info']);
    expect(api.count('list')).toBe(1);
  });

  it('is listed at once where it comes back without its history', async () => {
    begin();
    await watching();
    await api.stop();
    await until(() => reflector.health().failures >= 6, clock, 1_000);
    await api.start();
    api.compact();
    const watches = api.count('watch');
    await until(() => api.count('watch') > watches, clock, 500);
    // Time stands still: no wait lies between the answer and the list.
    await until(() => api.count('list') === 2);
  });

  it('is asked again soon where its first answer after an outage is a refusal, as of one that starts, and less and less often where it goes on', async () => {
    begin(() => 0.999);
    await watching();
    await api.stop();
    await until(() => reflector.health().failures >= 8, clock, 1_000);
    for (let i = 0; i < 7; i++) api.faults.push({ on: 'watch', do: 'answer', status: 403 });
    await api.start();
    const before = api.count('watch');
    const at: number[] = [];
    await until(() => {
      if (api.count('watch') > before + at.length) at.push(clock.monotonic());
      return api.watching === 1;
    }, clock, 100);
    const gaps = at.slice(1).map((t, i) => t - at[i]!);
    expect(gaps[0]).toBeLessThan(1_500);
    expect(gaps[5]).toBeGreaterThan(14_000);
  });

  it('is not asked again before the time it names in Retry-After', async () => {
    api.faults.push({ on: 'list', do: 'answer', status: 429, headers: { 'retry-after': '20' } });
    begin();
    await until(() => api.watching === 1, clock, 500);
    expect(clock.monotonic()).toBeGreaterThanOrEqual(20_000);
  });

  it('is asked less and less often, but at least every 30 s', async () => {
    for (let i = 0; i < 12; i++) api.faults.push({ on: 'list', do: 'drop' });
    const at: number[] = [];
    begin(() => 0.999);
    await until(() => {
      if (api.count('list') > at.length) at.push(clock.monotonic());
      return api.watching === 1;
    }, clock, 200);
    const gaps = at.slice(1).map((t, i) => t - at[i]!);
    expect(Math.max(...gaps)).toBeLessThan(31_000);
    expect(gaps.at(-1)).toBeGreaterThan(29_000);
    expect(gaps[0]).toBeLessThan(1_500);
  });
});

it('stops at once, and leaves no connection open', async () => {
  begin();
  await watching();
  stop.abort();
  await running;
  client.close();
  expect(reflector.health().state).toBe('closed');
  await until(() => api.connections === 0);
});

it('agrees with the server in the end, whatever happened in between', async () => {
  const random = new Random(testSeed());
  console.log(`reflector chaos seed ${random.seed}`);
  for (let i = 0; i < 700; i++) api.put(pod(`p${i}`, '0'));
  begin(() => random.next());
  const acts: (() => void)[] = [
    () => api.put(pod(`p${random.below(900)}`, String(random.next()))),
    () => api.put(pod(`p${random.below(900)}`, String(random.next()))),
    () => api.delete(`ns/p${random.below(900)}`),
    () => api.delete(`ns/p${random.below(900)}`),
    () => api.compact(),
    () => api.bookmark(),
    () => api.silence(),
    () => api.cut(random.pick(['end', 'mid-line', { bytes: 'x\n' }, { bytes: '\u0000' }])),
    () => void api.faults.push({ on: random.pick(['list', 'watch']), do: random.pick(['hang', 'drop']) }),
    () => void api.faults.push({ on: random.pick(['list', 'watch']), do: 'answer', status: random.pick([200, 204, 404, 410, 429, 500, 504]), body: '{}' }),
  ];
  for (let i = 0; i < 400; i++) {
    random.pick(acts)();
    if (random.next() < 0.5) await clock.advance(random.below(4_000));
  }
  api.faults.length = 0;
  await until(() => agrees() && api.watching > 0, clock, 1_000);
  expect(state()).toEqual(truth());
}, 30_000);
