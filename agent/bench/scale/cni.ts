import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CanalError } from '../../base/errors.js';
import { cgroupRoot, destroyCgroup, makeCgroup } from '../../lab/machine/cgroup.js';
import type { CniOrder } from './cni-process.js';

/** `nothing`: a plugin that does nothing, which is what starting a process costs; it is in every other figure too. */
export type CniContender = 'nothing' | 'canal' | 'ptp' | 'bridge';
export const CNI_CONTENDERS: readonly CniContender[] = ['nothing', 'canal', 'ptp', 'bridge'];

export interface CniFigure {
  readonly contender: CniContender;
  /** `together`: all ADDs at once, one figure for all of them; `later`: what canal does for an ADD once no pod has come for a while (daemon/hook-upgrade.ts). */
  readonly verb: 'ADD' | 'later' | 'DEL' | 'together';
  /** Milliseconds: median and 99th of a hundred. */
  readonly wall: number;
  readonly wallP99: number;
  /** Processor time, the agent's share included. */
  readonly cpu: number;
  readonly cpuP99: number;
}

export interface CniOptions {
  /** Pods attached one after another, by each contender in turn. */
  readonly pods: number;
  /** Pods attached at once. */
  readonly together: number;
  /** Where the reference plugins are. */
  readonly plugins: string;
}

/** The agent's cgroup, beside those of the plugins. */
const AGENT = 'agent';
/** What the agent does on after an ADD has answered is of the ADD. */
const AFTER_MS = 200;
const SIZE = { localPods: 0, namespaces: 10, policies: 50, cidrs: 50, services: 100, nodes: 10 };

interface Taken {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** ADD and DEL by canal, with policy in force, and by the reference plugins, in turns, each on a node of its own: an agent would see to the others' devices too. @throws CanalError('KERNEL') with what a plugin said */
export async function measureCni(options: CniOptions): Promise<readonly CniFigure[]> {
  const bench = await CniBench.start(options);
  try {
    const figures: CniFigure[] = [];
    const add = new Map(CNI_CONTENDERS.map((contender) => [contender, [] as Taken[]]));
    const del = new Map(CNI_CONTENDERS.map((contender) => [contender, [] as Taken[]]));
    const later: Taken[] = [];
    for (let i = 0; i < options.pods; i++) {
      for (const contender of CNI_CONTENDERS) add.get(contender)!.push(await bench.measured(contender, 'ADD', [i]));
      later.push(await bench.later());
      for (const contender of CNI_CONTENDERS) del.get(contender)!.push(await bench.measured(contender, 'DEL', [i]));
    }
    for (const contender of CNI_CONTENDERS) {
      figures.push(figureOf(contender, 'ADD', add.get(contender)!));
      if (contender === 'canal') figures.push(figureOf(contender, 'later', later));
      figures.push(figureOf(contender, 'DEL', del.get(contender)!));
    }
    const all = Array.from({ length: options.together }, (_, i) => i);
    for (const contender of options.together === 0 ? [] : CNI_CONTENDERS) {
      figures.push(figureOf(contender, 'together', [await bench.measured(contender, 'ADD', all)]));
      await bench.measured(contender, 'DEL', all);
    }
    return figures;
  } finally {
    await bench.close();
  }
}

function figureOf(contender: CniContender, verb: CniFigure['verb'], taken: readonly Taken[]): CniFigure {
  const [wall, wallP99] = spread(taken.map(({ wallMs }) => wallMs));
  const [cpu, cpuP99] = spread(taken.map(({ cpuMs }) => cpuMs));
  return { contender, verb, wall, wallP99, cpu, cpuP99 };
}

function spread(values: readonly number[]): [median: number, p99: number] {
  const sorted = [...values].sort((a, b) => a - b);
  return [sorted[sorted.length >> 1]!, sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))]!];
}

/** A node with an agent, one without for each other contender, and empty network namespaces to attach to them. */
class CniBench {
  private constructor(
    private readonly options: CniOptions,
    private readonly directory: string,
    private readonly cgroup: string,
    private readonly agent: ChildProcess,
    /** Of the contenders without an agent. */
    private readonly nodes: ReadonlyMap<CniContender, ChildProcess>,
    private readonly pods: readonly ChildProcess[],
  ) {}

  static async start(options: CniOptions): Promise<CniBench> {
    const directory = mkdtempSync(join(tmpdir(), 'canal-bench-cni-'));
    const cgroup = join(cgroupRoot(), `canal-bench-cni-${process.pid}`);
    for (const member of [...CNI_CONTENDERS, AGENT]) makeCgroup(join(cgroup, member));
    const count = Math.max(options.pods, options.together);
    const order: CniOrder = { size: { ...SIZE, pods: count, localPods: 0 }, changes: 0, eventRate: 0, eventSeconds: 0, bpffs: '/sys/fs/bpf', memoryGb: 16, directory };
    const script = 'echo $$ >"$0" && mount -t bpf bpf /sys/fs/bpf && exec "$@"';
    const self = [...process.execArgv, join(import.meta.dirname, 'cni-process.js'), JSON.stringify(order)];
    const agent = spawn('unshare', ['--net', '--mount', '--propagation', 'private', 'sh', '-c', script, join(cgroup, AGENT, 'cgroup.procs'), process.execPath, ...self], { stdio: ['pipe', 'pipe', 'inherit'] });
    const others = CNI_CONTENDERS.filter((contender) => contender !== 'canal');
    const nodes = new Map(await Promise.all(others.map(async (contender) => [contender, await holdNamespace()] as const)));
    const pods = await Promise.all(Array.from({ length: count }, holdNamespace));
    const bench = new CniBench(options, directory, cgroup, agent, nodes, pods);
    const ready = await new Promise<boolean>((resolve) => {
      agent.stdout.once('data', () => resolve(true));
      agent.once('exit', () => resolve(false));
    });
    if (!ready) {
      await bench.close();
      throw new CanalError('KERNEL', 'the agent of the measurement did not start');
    }
    return bench;
  }

  /** One command for each of these pods, all at once. */
  async measured(contender: CniContender, verb: 'ADD' | 'DEL', pods: readonly number[]): Promise<Taken> {
    const before = this.#cpuUs(contender);
    const startMs = performance.now();
    await Promise.all(pods.map((pod) => this.#run(contender, verb, pod)));
    const wallMs = performance.now() - startMs;
    if (contender === 'canal') await sleep(AFTER_MS);
    return { wallMs, cpuMs: (this.#cpuUs(contender) - before) / 1000 };
  }

  /** Has the agent do at once what it would do when no pod has come for a while. */
  async later(): Promise<Taken> {
    const before = usedUs(join(this.cgroup, AGENT));
    const startMs = performance.now();
    const over = new AbortController();
    const gone = once(this.agent, 'exit', over).then(() => {
      throw new CanalError('KERNEL', 'the agent of the measurement has ended');
    });
    const done = once(this.agent.stdout!, 'data', over);
    this.agent.stdin!.write('later\n');
    await Promise.race([done, gone]).finally(() => over.abort());
    await gone.catch(() => undefined);
    return { wallMs: performance.now() - startMs, cpuMs: (usedUs(join(this.cgroup, AGENT)) - before) / 1000 };
  }

  async close(): Promise<void> {
    const gone = (child: ChildProcess): Promise<void> => new Promise((resolve) => (child.exitCode !== null || child.signalCode !== null ? resolve() : child.once('exit', () => resolve())));
    this.agent.stdin!.end();
    const holders = [...this.nodes.values(), ...this.pods];
    for (const holder of holders) holder.kill('SIGKILL');
    await Promise.all([gone(this.agent), ...holders.map(gone)]);
    await destroyCgroup(this.cgroup);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Of the plugin's processes, and for canal of the agent. */
  #cpuUs(contender: CniContender): number {
    return (contender === 'canal' ? [contender, AGENT] : [contender]).reduce((sum, member) => sum + usedUs(join(this.cgroup, member)), 0);
  }

  async #run(contender: CniContender, verb: 'ADD' | 'DEL', pod: number): Promise<void> {
    const script = 'echo $$ >"$0" && exec nsenter --net="/proc/$1/ns/net" "$2"';
    const args = ['-c', script, join(this.cgroup, contender, 'cgroup.procs'), String((this.nodes.get(contender) ?? this.agent).pid), this.#plugin(contender)];
    const env = {
      PATH: process.env['PATH'], CNI_COMMAND: verb, CNI_CONTAINERID: `${contender}-${pod}`, CNI_NETNS: `/proc/${this.pods[pod]!.pid}/ns/net`, CNI_IFNAME: IFNAMES[contender], CNI_PATH: this.options.plugins,
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=ns-${pod % SIZE.namespaces};K8S_POD_NAME=pod-${pod};K8S_POD_UID=uid-${pod};K8S_POD_INFRA_CONTAINER_ID=${contender}-${pod}`,
    };
    const child = spawn('sh', args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => (said += part));
    child.stdin.on('error', () => undefined).end(JSON.stringify(this.#config(contender))); // one that reads nothing may be gone before
    const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
    if (status !== 0) throw new CanalError('KERNEL', `${contender} ${verb}: ${said.trim()}`, { subject: contender });
  }

  #plugin(contender: CniContender): string {
    if (contender === 'nothing') return 'true';
    return contender === 'canal' ? join(import.meta.dirname, '..', '..', '..', 'native', 'canal-cni') : join(this.options.plugins, contender);
  }

  #config(contender: CniContender): object {
    const ipam = { type: 'host-local', dataDir: join(this.directory, 'addresses'), ranges: [[{ subnet: SUBNETS[contender] }]], routes: [{ dst: '0.0.0.0/0' }] };
    const common = { cniVersion: '0.3.1', name: `bench-${contender}`, mtu: 1450 };
    if (contender === 'ptp') return { ...common, type: 'ptp', ipMasq: false, ipam };
    if (contender === 'bridge') return { ...common, type: 'bridge', bridge: 'bench0', isGateway: true, ipMasq: false, ipam };
    return { ...common, type: 'canal', socket: join(this.directory, 'cni.sock'), queue: join(this.directory, 'queue'), ipam: { type: 'host-local', subnet: 'usePodCidr', dataDir: join(this.directory, 'addresses') } };
  }
}

/** A network namespace, its `lo` up, for as long as the process lives, and that no longer than we do. There when this resolves: before, the process would stand for the machine's own. */
async function holdNamespace(): Promise<ChildProcess> {
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'ip link set lo up && echo && read end'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const there = await new Promise<boolean>((resolve) => {
    holder.stdout.once('data', () => resolve(true));
    holder.once('close', () => resolve(false));
  });
  if (!there) throw new CanalError('KERNEL', 'a network namespace of the measurement cannot be made');
  return holder;
}

const usedUs = (cgroup: string): number => Number(/^usage_usec (\d+)/m.exec(readFileSync(join(cgroup, 'cpu.stat'), 'utf8'))![1]);

/** All in the same network namespace of a pod. */
const IFNAMES: Readonly<Record<CniContender, string>> = { nothing: 'none', canal: 'eth0', ptp: 'eth1', bridge: 'eth2' };
const SUBNETS: Readonly<Record<CniContender, string>> = { nothing: '', canal: '', ptp: '10.250.0.0/16', bridge: '10.251.0.0/16' };

/** Whether the reference plugins are there. */
export function referencePlugins(directory: string): boolean {
  try {
    execFileSync('test', ['-x', join(directory, 'ptp'), '-a', '-x', join(directory, 'bridge'), '-a', '-x', join(directory, 'host-local')]);
    return true;
  } catch {
    return false;
  }
}
