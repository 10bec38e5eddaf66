import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Cidr } from '../../../agent/base/address.js';
import { systemClock, type Clock } from '../../../agent/base/clock.js';
import type { CniContext, PodAnnotator } from '../../../agent/cni/context.js';
import type { EndpointDataplane } from '../../../agent/cni/dataplane.js';
import { EndpointStore } from '../../../agent/cni/endpoint-store.js';
import type { CniHandler } from '../../../agent/cni/frame.js';
import { createHandler } from '../../../agent/cni/handler.js';
import { DelQueue } from '../../../agent/cni/queue.js';
import { recover, type Recovery } from '../../../agent/cni/recover.js';
import type { PodAsks } from '../../../agent/model/objects.js';
import type { FileLock } from '../../../agent/ipam/lock.js';
import { Ipam } from '../../../agent/ipam/ipam.js';
import { Serial } from '../../../agent/ipam/serial.js';
import { FakeDataplane } from './fake-dataplane.js';

/** A lock within this process, which is all that a test has. */
export class ProcessLock implements FileLock {
  private readonly serial = new Serial();
  constructor(private readonly atStep: () => Promise<void> = async () => undefined) {}
  hold<T>(path: string, work: () => Promise<T> | T): Promise<T> {
    return this.serial.run(path, async () => {
      await this.atStep();
      const result = await work();
      await this.atStep();
      return result;
    });
  }
}

export interface Answer {
  readonly status: 0 | 1;
  readonly json: Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any
}

/** One node: directories that outlive the agent, a dataplane that does too, and an agent that may be restarted. */
export class Node {
  readonly directory = mkdtempSync(join(tmpdir(), 'canal-cni-'));
  readonly dataplane = new FakeDataplane();
  readonly annotated: string[] = [];
  /** Annotations of pods, by namespace/name. */
  readonly asks = new Map<string, PodAsks>();
  podCidrs: readonly Cidr[] | undefined = [Cidr.parse('10.244.1.0/24')!];
  podMtu: number | undefined = 1450;
  clock: Clock = systemClock;
  context!: CniContext;
  handler!: CniHandler;

  private agents = 0;

  constructor() {
    this.start();
  }

  /** A new agent on what the old one left, without recovery. */
  start(): void {
    const log = pino({ level: 'silent' });
    const note = (verb: string) => (endpoint: { pod: string; containerId: string }) => void this.annotated.push(`${verb} ${endpoint.pod} ${endpoint.containerId}`);
    const agent = ++this.agents;
    const alive = async (): Promise<void> => {
      await this.dataplane.atStep();
      if (agent !== this.agents) await new Promise(() => undefined); // what a dead agent had under way goes no further
    };
    const annotator: PodAnnotator = { attached: note('attached'), detached: note('detached') };
    this.context = {
      dataplane: mortal(this.dataplane, alive),
      network: { podCidrs: () => this.podCidrs, podMtu: () => this.podMtu },
      pods: { asks: (namespace, pod) => Promise.resolve(this.asks.get(`${namespace}/${pod}`) ?? {}) },
      ipam: new Ipam(new ProcessLock(alive)),
      endpoints: new EndpointStore(join(this.directory, 'endpoints')),
      annotator,
      clock: this.clock,
      log,
    };
    this.queue = new DelQueue(join(this.directory, 'queue'), log);
    this.handler = createHandler(this.context, this.queue);
  }
  queue!: DelQueue;

  async restart(): Promise<Recovery> {
    this.start();
    return recover(this.context, [join(this.directory, 'networks', 'net')]);
  }

  /** A configuration for this node's directories. */
  config(more: object = {}): object {
    return { cniVersion: '1.0.0', name: 'net', type: 'canal', ipam: { type: 'host-local', dataDir: join(this.directory, 'networks') }, ...more };
  }

  env(command: string, container: string, pod = container, more: Record<string, string> = {}): Record<string, string> {
    return {
      CNI_COMMAND: command,
      CNI_CONTAINERID: container,
      CNI_NETNS: `/netns/${container}`,
      CNI_IFNAME: 'eth0',
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${pod};K8S_POD_INFRA_CONTAINER_ID=${container};K8S_POD_UID=uid-${pod}`,
      ...more,
    };
  }

  async call(env: Record<string, string>, config: object | string, deadlineMs = 5_000): Promise<Answer> {
    const text = typeof config === 'string' ? config : JSON.stringify(config);
    const answer = await this.handler({ env: new Map(Object.entries(env)), config: Buffer.from(text) }, AbortSignal.timeout(deadlineMs));
    return { status: answer.status, json: answer.output === '' ? {} : (JSON.parse(answer.output) as Answer['json']) };
  }

  add(container: string, pod = container, config: object = {}): Promise<Answer> {
    return this.call(this.env('ADD', container, pod), this.config(config));
  }

  del(container: string, pod = container, config: object = {}): Promise<Answer> {
    return this.call(this.env('DEL', container, pod), this.config(config));
  }

  /** Addresses reserved on disk. */
  reserved(): string[] {
    try {
      return readdirSync(join(this.directory, 'networks', 'net')).filter((name) => /^[\d.]+$|:/.test(name)).sort();
    } catch {
      return [];
    }
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The same dataplane for one agent, asked before and after each call whether that agent is alive. */
function mortal(dataplane: FakeDataplane, alive: () => Promise<void>): EndpointDataplane {
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    await alive();
    const result = await work();
    await alive();
    return result;
  };
  return {
    ready: (signal) => call(() => dataplane.ready(signal)),
    addLink: (link) => call(() => dataplane.addLink(link)),
    enforce: (endpoint, signal) => call(() => dataplane.enforce(endpoint, signal)),
    up: (endpoint) => call(() => dataplane.up(endpoint)),
    remove: (link) => call(() => dataplane.remove(link)),
    inspect: (endpoint) => call(() => dataplane.inspect(endpoint)),
    survey: () => call(() => dataplane.survey()),
    examine: (devices) => call(() => dataplane.examine(devices)),
  };
}
