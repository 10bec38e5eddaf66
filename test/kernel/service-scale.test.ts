import { mkdtempSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogger } from '../../agent/base/log.js';
import { BALANCING } from '../../agent/compile/services/compiler.js';
import { createLedgers, type Ledgers } from '../../agent/daemon/ledgers.js';
import type { KernelTables } from '../../agent/daemon/node-kernel.js';
import { ServiceRows } from '../../agent/daemon/service-rows.js';
import { endpointSliceDecoder } from '../../agent/datastore/decode/endpoint-slice.js';
import { Interner } from '../../agent/datastore/decode/intern.js';
import { serviceDecoder } from '../../agent/datastore/decode/service.js';
import { BpfObject, mountBpffs } from '../../agent/kernel/bpf-object.js';
import { backTable, frontTable, liveTable } from '../../agent/kernel/service-tables.js';
import { WriteCounter } from '../../agent/kernel/write-counter.js';
import type { Snapshot } from '../../agent/model/snapshot.js';
import { totalWrites, type Outcome } from '../../agent/reconcile/outcome.js';
import { Reconciler } from '../../agent/reconcile/reconciler.js';
import { createStore, type Store } from '../../agent/store/store.js';
import { ManualClock } from '../support/manual-clock.js';
import { FakeTable } from '../support/fake-table.js';
import { takeNamespace } from '../support/own-namespace.js';

const SERVICES = Number(process.env['CANAL_SERVICES_SCALE'] ?? 10_000);
const TABLES = ['canal_front', 'canal_back', 'canal_live'] as const;
const intern = new Interner();
const [decodeService, decodeSlice] = [serviceDecoder(intern), endpointSliceDecoder(intern)];
const quad = (block: number, i: number): string => `${block}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;

/** A node's service tables over real maps, fed with objects as the API server sends them. */
class Node {
  readonly clock = new ManualClock();
  readonly store: Store;
  readonly ledgers: Ledgers;
  readonly #rows: ServiceRows;
  readonly #reconciler: Reconciler;
  #snapshot: Snapshot | undefined;

  constructor(object: BpfObject) {
    const source = { objects: new Map([[4, object]] as const), writes: new WriteCounter() };
    const fake = <T extends keyof KernelTables>(name: T): KernelTables[T] => new FakeTable({ name }) as unknown as KernelTables[T];
    this.ledgers = createLedgers({
      config: fake('config'), sysctls: fake('sysctls'), attachments: fake('attachments'), links: fake('links'), addresses: fake('addresses'), fdb: fake('fdb'), neighbours: fake('neighbours'),
      routes: fake('routes'), nexthops: fake('nexthops'), outside: fake('outside'), nomasq: fake('nomasq'), rules: fake('rules'), tables: fake('tables'), peers: fake('peers'), cidrs: fake('cidrs'), local: fake('local'), endpoints: fake('endpoints'),
      sockets: fake('sockets'), fronts: frontTable(source), backs: backTable(source), live: liveTable(source), ranges: fake('ranges'),
    });
    this.#rows = new ServiceRows({ ledgers: this.ledgers, families: new Set([4]), nodeName: 'one', enabled: true, balancing: BALANCING, sockets: () => [], log: createLogger('error') });
    let epoch = 2;
    this.#reconciler = new Reconciler(Object.values(this.ledgers), { read: () => epoch, write: (value) => void (epoch = value) }, () => performance.now());
    this.store = createStore({ clock: this.clock, onChange: (snapshot) => (this.#snapshot = snapshot) });
  }

  service(i: number): void {
    const raw = { metadata: { namespace: 'shop', name: `s${i}` }, spec: { type: 'ClusterIP', clusterIP: quad(100, i), clusterIPs: [quad(100, i)], ports: [{ port: 80 }] } };
    const { value, problems } = decodeService(raw);
    this.store.sinks.services.put(`shop/s${i}`, value, problems);
  }

  slice(i: number, addresses: readonly string[]): void {
    const endpoints = addresses.map((address) => ({ addresses: [address], conditions: { ready: true, serving: true, terminating: false }, nodeName: 'two' }));
    const raw = { metadata: { namespace: 'shop', name: `s${i}-x`, labels: { 'kubernetes.io/service-name': `s${i}` } }, addressType: 'IPv4', ports: [{ name: '', port: 8080, protocol: 'TCP' }], endpoints };
    const { value, problems } = decodeSlice(raw);
    this.store.sinks.endpointSlices.put(`shop/s${i}-x`, value, problems);
  }

  load(): void {
    for (let i = 0; i < SERVICES; i++) {
      this.service(i);
      this.slice(i, [quad(10, 2 * i), quad(10, 2 * i + 1)]);
    }
    for (const sink of Object.values(this.store.sinks)) sink.synced();
  }

  /** What a burst's end sets off. */
  async apply(): Promise<Outcome> {
    await this.clock.advance(100);
    this.#rows.want(this.#snapshot!, []);
    return this.#reconciler.apply({ only: TABLES });
  }
}

let pinDir = '';
let object: BpfObject;
let node: Node;

beforeAll(async () => {
  await takeNamespace();
  mountBpffs('/sys/fs/bpf');
  pinDir = mkdtempSync('/sys/fs/bpf/service-scale-');
  object = BpfObject.load({ path: 'build/bpf/canal4.o', pinDir });
});

afterAll(() => {
  object?.close();
  if (pinDir !== '') rmSync(pinDir, { recursive: true });
});

const inKernel = (): number[] => [node.ledgers.fronts, node.ledgers.backs, node.ledgers.live].map((ledger) => ledger.table.list().size);
const report: string[] = [];
afterAll(() => console.log(`${SERVICES} services of 2 endpoints: ${report.join('; ')}`));

/** Runs it; what it took is told, not judged. */
async function timed<T>(what: string, act: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await act();
  report.push(`${what} ${(performance.now() - started).toFixed(1)} ms`);
  return result;
}

describe(`${SERVICES} services`, () => {
  it('are loaded whole, each row once', async () => {
    global.gc?.();
    const before = process.memoryUsage().heapUsed;
    const outcome = await timed('cold, from JSON to maps', async () => {
      node = new Node(object);
      node.load();
      return node.apply();
    });
    report.push(`heap grown by ${((process.memoryUsage().heapUsed - before) / 1e6).toFixed(0)} MB`);
    expect([outcome.troubles, totalWrites(outcome)]).toEqual([[], 5 * SERVICES]);
    expect(inKernel()).toEqual([SERVICES, 2 * SERVICES, 2 * SERVICES]);
  });

  it('cost three row writes where one endpoint is replaced, goes or comes, whichever service it is', async () => {
    const times: number[] = [];
    for (let n = 0; n < 200; n++) {
      const i = (n * 7919) % SERVICES;
      const [a, b, c] = [quad(10, 2 * i), quad(10, 2 * i + 1), quad(11, n)];
      for (const [next, writes] of [[[a, c], 3], [[a], 3], [[a, b], 3]] as const) {
        node.slice(i, next);
        const started = performance.now();
        expect(totalWrites(await node.apply())).toBe(writes);
        times.push(performance.now() - started);
      }
    }
    times.sort((x, y) => x - y);
    report.push(`one endpoint p50 ${times[times.length >> 1]!.toFixed(2)} ms, p99 ${times[Math.floor(times.length * 0.99)]!.toFixed(2)} ms`);
    expect(inKernel()).toEqual([SERVICES, 2 * SERVICES, 2 * SERVICES]);
  });

  it('cost no write at a restart', async () => {
    const again = new Node(object);
    again.load();
    expect(totalWrites(await timed('restart', () => again.apply()))).toBe(0);
    node = again;
  });

  it('leave nothing when they go', async () => {
    for (let i = 0; i < SERVICES; i++) node.store.sinks.services.gone(`shop/s${i}`);
    expect((await timed('all gone', () => node.apply())).troubles).toEqual([]);
    expect(inKernel()).toEqual([0, 0, 0]);
  });
});
