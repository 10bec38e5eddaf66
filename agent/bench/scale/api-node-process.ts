import { execFileSync, spawn } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { systemClock } from '../../base/clock.js';
import { createLogger } from '../../base/log.js';
import { createKubeClient } from '../../datastore/client.js';
import { createDatastore } from '../../datastore/datastore.js';
import { DEFAULT_ANNOTATION_PREFIX } from '../../datastore/decode/annotation-prefix.js';
import type { ApiFigure, ApiMetric, ApiOrder } from './api.js';
import { nodeAddress } from './cluster.js';
import { addDevices, ScaleNode } from './scale-node.js';

/** Of rest: several renewals of every watch. */
const REST_MS = 40_000;
/** After a change: what comes of it later (the kernel's notices come 50 ms after) is still its own. */
const AFTER_MS = 70;
/** Nodes more, whose memory is measured. */
const MORE_NODES = 300;

/** Bytes that this process has read from the API server, its headers included. */
class Wire {
  readonly #sockets = new Set<Socket>();

  constructor() {
    subscribe('net.client.socket', (message) => void this.#sockets.add((message as { socket: Socket }).socket));
  }

  get bytes(): number {
    return [...this.#sockets].reduce((sum, socket) => sum + socket.bytesRead, 0);
  }
}

/** Runs in namespaces of its own: a node's agent (datastore to kernel) that follows an embedded API server, which is a process beside it. Tells the figures as one line of JSON. */
async function main(order: ApiOrder): Promise<void> {
  const lines = ['link set lo up', 'link add uplink type veth peer name far', `addr add ${nodeAddress(0)}/16 dev uplink`, 'link set uplink up', 'link set far up'];
  execFileSync('ip', ['-batch', '-'], { input: lines.join('\n') });
  addDevices(Array.from({ length: order.size.localPods }, (_, i) => `cali${i}`));
  const server = spawn(process.execPath, [...process.execArgv, join(import.meta.dirname, 'api-process.js'), JSON.stringify(order.size)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const ask = async (line: string): Promise<string> => {
    server.stdin.write(line);
    return ((await answers.next()).value as string | undefined) ?? '';
  };
  const bench = new ApiBench(order, await ask(''), (line) => ask(`${line}\n`));
  await bench.measure();
  await bench.close();
  server.stdin.end();
  process.stdout.write(`${JSON.stringify(bench.figures)}\n`);
}

class ApiBench {
  readonly figures: ApiFigure[] = [];
  readonly #wire = new Wire();
  readonly #node: ScaleNode;
  readonly #client;
  #datastore: ReturnType<typeof createDatastore> | undefined;

  constructor(
    private readonly order: ApiOrder,
    url: string,
    private readonly ask: (line: string) => Promise<string>,
  ) {
    const credentials = { headers: {}, tls: {} };
    this.#node = new ScaleNode(order);
    this.#client = createKubeClient({ server: new URL(url), origin: 'bench', credentials: () => Promise.resolve(credentials), invalidate: () => undefined }, systemClock);
  }

  async measure(): Promise<void> {
    const { size, changes, seconds } = this.order;
    await this.#start();
    await this.#rest();
    const far = (n: number): number => 1 + ((n * 7919) % (size.nodes - 1));
    await this.#each('node-heartbeat', far, false);
    await this.#each('node-move', far, true);
    await this.#each('node-add', (n) => size.nodes + n, true);
    await this.#each('node-gone', (n) => size.nodes + n, true);
    await this.#each('pod-status', (n) => (n * 7919) % size.pods, false);
    await this.#each('pod-label', (n) => size.localPods + ((n * 7919) % (size.pods - size.localPods)), true);
    const beats = size.nodes / 300; // kubelet's nodeStatusReportFrequency
    await this.#steady('heartbeats', `node-heartbeat ${Math.ceil(beats * seconds)} ${beats}`);
    await this.#nodeMemory();
    const serverMb = await this.#steady('pod-events', `pod-label ${changes} 50`);
    this.figures.push({ metric: 'server-resident', unit: 'MB', value: serverMb });
    this.figures.push({ metric: 'resident', unit: 'MB', value: process.memoryUsage.rss() / 1e6 });
  }

  async close(): Promise<void> {
    await this.#datastore?.close();
    this.#client.close();
    await this.#node.close();
  }

  /** From nothing known to all enforced. */
  async #start(): Promise<void> {
    const ifindexes = new Map(this.#node.kernel.devices().map((device) => [device.name, device.ifindex]));
    for (let i = 0; i < this.order.size.localPods; i++) this.#node.stored.push(this.#node.endpoint(i, ifindexes.get(`cali${i}`)!));
    const applied = this.#node.applied();
    const [startMs, before] = [performance.now(), process.cpuUsage()];
    this.#node.loop.start();
    this.#datastore = createDatastore({ client: this.#client, annotationPrefix: DEFAULT_ANNOTATION_PREFIX, sinks: this.#node.store.sinks, log: createLogger('warn'), clock: systemClock });
    await applied;
    this.figures.push({ metric: 'start', unit: 'ms', value: performance.now() - startMs, cpu: cpuMs(before), bytes: this.#wire.bytes });
  }

  async #rest(): Promise<void> {
    const [startMs, bytes, before] = [performance.now(), this.#wire.bytes, process.cpuUsage()];
    await sleep(this.order.seconds * 1000 < REST_MS ? this.order.seconds * 1000 : REST_MS);
    const seconds = (performance.now() - startMs) / 1000;
    this.figures.push({ metric: 'rest', unit: 'B/s', value: (this.#wire.bytes - bytes) / seconds, cpu: cpuMs(before) / seconds });
  }

  /** One change after another. `enforced`: it changes what is in the kernel, and is over when that is done; else it is over when it has been read. */
  async #each(metric: ApiMetric, which: (n: number) => number, enforced: boolean): Promise<void> {
    const [bytes, events] = [this.#wire.bytes, this.#events];
    const [times, cpus]: [number[], number[]] = [[], []];
    for (let n = 0; n < this.order.changes; n++) {
      const [startMs, before] = [performance.now(), process.cpuUsage()];
      const applied = enforced ? this.#node.applied() : undefined;
      await this.ask(`${metric} ${which(n)}`);
      await (applied ?? this.#read(events + n + 1));
      times.push(performance.now() - startMs);
      await sleep(AFTER_MS);
      cpus.push(cpuMs(before));
    }
    await this.#read(events + times.length);
    const [time, cpu] = [spread(times), spread(cpus)];
    this.figures.push({ metric, unit: 'ms', value: time.median, p99: time.p99, cpu: cpu.median, cpuP99: cpu.p99, bytes: (this.#wire.bytes - bytes) / times.length });
  }

  /** Heap of the agent for one node more: its object, its rows as wanted and as known. */
  async #nodeMemory(): Promise<void> {
    const each = async (order: string): Promise<number> => {
      const events = this.#events;
      for (let n = 0; n < MORE_NODES; n++) await this.ask(`${order} ${this.order.size.nodes + 10_000 + n}`);
      await this.#read(events + MORE_NODES);
      await sleep(1000); // until all is applied, and what was read is garbage
      return heapBytes();
    };
    const before = heapBytes();
    const after = await each('node-add');
    await each('node-gone');
    this.figures.push({ metric: 'node-memory', unit: 'B', value: (after - before) / MORE_NODES });
  }

  /** @returns what the server says it holds, MB */
  async #steady(metric: ApiMetric, order: string): Promise<number> {
    const [startMs, bytes, before, events] = [performance.now(), this.#wire.bytes, process.cpuUsage(), this.#events];
    const count = Number(order.split(' ')[1]);
    const serverMb = Number(await this.ask(order));
    await this.#read(events + count);
    const seconds = (performance.now() - startMs) / 1000;
    this.figures.push({ metric, unit: 'B/s', value: (this.#wire.bytes - bytes) / seconds, cpu: cpuMs(before) / seconds, bytes: (this.#wire.bytes - bytes) / count, perSecond: count / seconds });
    return serverMb;
  }

  /** Resolves when so many events have been decoded. */
  async #read(events: number): Promise<void> {
    while (this.#events < events) await sleep(1);
  }

  get #events(): number {
    return this.#datastore!.health().resources.reduce((sum, resource) => sum + resource.events, 0);
  }
}

function spread(values: readonly number[]): { readonly median: number; readonly p99: number } {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: sorted[sorted.length >> 1]!, p99: sorted[Math.floor(sorted.length * 0.99)]! };
}

/** Without what is garbage. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function cpuMs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

await main(JSON.parse(process.argv[2] ?? '') as ApiOrder);
