import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { IpAddress, type Family } from '../../agent/base/address.js';
import { mountBpffs } from '../../agent/kernel/bpf-object.js';
import { attachCgroup, cgroupLink, cgroupPin, detachCgroup, socketHooks } from '../../agent/kernel/cgroup-attachment.js';
import { native } from '../../agent/kernel/library.js';
import { addPodLink, upPodLink } from '../../agent/kernel/pod-link.js';
import { Node, podMac } from '../packet/node.js';
import { EmptyNetns } from '../support/empty-netns.js';
import { run, runQuietly } from '../support/shell.js';

const SCRIPT = join(import.meta.dirname, 'service-talk.mjs');
const GATE = 'svc-gate';
/** Of this test's own namespace: IPv6 forwards on all devices or on none. */
const FORWARDING = '/proc/sys/net/ipv6/conf/all/forwarding';

export interface Talk {
  readonly peer?: string;
  readonly answer?: string;
  readonly from?: string;
  readonly error?: string;
}

/** A node with real pods a and b behind the real programs, and a cgroup whose sockets are hooked. */
export class ServiceNode {
  private readonly children: ChildProcess[] = [];
  /** What close() does, last first. */
  private readonly undo: (() => unknown)[] = [];
  private pods!: Readonly<Record<'a' | 'b', EmptyNetns>>;
  private pins!: string;
  private readonly cgroup: string;
  node!: Node;

  private constructor(readonly family: Family) {
    this.cgroup = join(cgroupMount(), `canal-test-${process.pid}-${family}`);
  }

  static async create(family: Family): Promise<ServiceNode> {
    const made = new ServiceNode(family);
    try {
      await made.build();
    } catch (error) {
      await made.close();
      throw error;
    }
    return made;
  }

  private async build(): Promise<void> {
    this.make(() => mkdirSync(this.cgroup), () => removeCgroup(this.cgroup));
    this.pods = { a: await EmptyNetns.create(), b: await EmptyNetns.create() };
    for (const pod of Object.values(this.pods)) {
      this.make(() => run(pod.inside('ip link set lo up')), () => pod.close()); // as kubelets' loopback plugin does
    }
    this.make(() => this.makeGate(), () => runQuietly(`ip link del ${GATE}`));
    this.make(() => writeFileSync(FORWARDING, '1'), () => writeFileSync(FORWARDING, '0'));
    const links = (['a', 'b'] as const).map((pod) => podLink(pod, this.family, this.pods[pod].path));
    this.undo.push(() => links.forEach(({ hostDevice }) => runQuietly(`ip link del ${hostDevice}`)));
    const ifindexes = (await Promise.all(links.map((link) => addPodLink(link)))).map(({ ifindex }) => ifindex);
    this.make(() => (this.node = new Node(this.family, [...ifindexes, 1, 1])), () => this.node.plane.close());
    mountBpffs('/sys/fs/bpf');
    this.make(() => (this.pins = mkdtempSync('/sys/fs/bpf/services-')), () => rmSync(this.pins, { recursive: true }));
    this.undo.push(() => this.unhookSockets(), () => this.killAll());
    for (const ifindex of ifindexes) this.attach(ifindex);
    this.node.reset();
    for (const link of links) await upPodLink(link);
  }

  async close(): Promise<void> {
    for (const step of this.undo.splice(0).reverse()) await step();
  }

  private make(step: () => unknown, back: () => unknown): void {
    step();
    this.undo.push(back);
  }

  /** Proxy ARP answers for the pods' gateway only where the node routes it elsewhere. */
  private makeGate(): void {
    run(`ip link add ${GATE} type veth peer name ${GATE}2`);
    run(`ip link set ${GATE} up`);
    run(`ip route add 169.254.0.0/16 dev ${GATE}`);
  }

  private attach(ifindex: number): void {
    native('canal_attach', 'pod', ifindex, this.node.plane.programFd('canal_from_pod'), 0, 0, '');
    native('canal_attach', 'pod', ifindex, this.node.plane.programFd('canal_to_pod'), 1, 0, '');
  }

  /** Puts the socket programs on the cgroup, or swaps them. */
  hookSockets(): void {
    for (const hook of socketHooks(this.family)) attachCgroup(this.cgroup, hook, this.node.plane.programFd(hook.program), this.pin(hook));
  }

  hooks(): ReturnType<typeof cgroupLink>[] {
    return socketHooks(this.family).map((hook) => cgroupLink(this.pin(hook)));
  }

  unhookSockets(): void {
    for (const hook of socketHooks(this.family)) detachCgroup(this.pin(hook));
  }

  async serve(pod: 'a' | 'b', port: number): Promise<void> {
    await firstLine(this.start(pod, false, ['serve', String(port)]));
  }

  /** One question from pod a, by a process inside the hooked cgroup or not. */
  async ask(hooked: boolean, mode: 'tcp' | 'udp' | 'udp-connected', host: string, port: number): Promise<Talk> {
    return JSON.parse(await firstLine(this.start('a', hooked, [mode, host, String(port)]))) as Talk;
  }

  private async killAll(): Promise<void> {
    const running = this.children.filter((child) => child.exitCode === null && child.signalCode === null);
    const gone = running.map((child) => new Promise((resolve) => child.once('exit', resolve)));
    for (const child of running) child.kill('SIGKILL');
    await Promise.all(gone);
  }

  private start(pod: 'a' | 'b', hooked: boolean, args: readonly string[]): ChildProcess {
    const enter = hooked ? `echo $$ > ${this.cgroup}/cgroup.procs && ` : '';
    const command = `${enter}exec nsenter --net=${this.pods[pod].path} ${process.execPath} ${SCRIPT} "$@"`;
    const child = spawn('/bin/sh', ['-euc', command, 'sh', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.children.push(child);
    return child;
  }

  private pin(hook: ReturnType<typeof socketHooks>[number]): string {
    return cgroupPin(this.pins, this.family, hook);
  }
}

function podLink(pod: 'a' | 'b', family: Family, netns: string): Parameters<typeof addPodLink>[0] {
  const last = pod === 'a' ? 2 : 3;
  const address = IpAddress.parse(family === 4 ? `10.42.0.${last}` : `fd00::${last}`)!;
  return {
    netns, hostDevice: `calisvc${pod}`, ifname: 'eth0', mtu: 1450, queues: 1, addresses: [address], ipForward: false,
    podMac: podMac(pod).toString('hex').replace(/(..)(?=.)/g, '$1:'),
  };
}

function cgroupMount(): string {
  const line = readFileSync('/proc/self/mounts', 'utf8').split('\n').find((text) => text.split(' ')[2] === 'cgroup2');
  if (line === undefined) throw new Error('no cgroup v2 is mounted');
  return line.split(' ')[1]!;
}

async function firstLine(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! })) return line;
  throw new Error(`ended with ${child.exitCode ?? child.signalCode} and no word`);
}

/** A process leaves its cgroup some moments after its end. */
async function removeCgroup(path: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return rmdirSync(path);
    } catch (error) {
      if (tries === 200 || (error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
      await pause(10);
    }
  }
}
