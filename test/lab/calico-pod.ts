import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { PODS } from '../../agent/datastore/resource.js';
import { createSandbox, type Sandbox } from '../../agent/lab/kubelet/sandbox.js';
import type { Lab } from '../../agent/lab/lab.js';
import { labBinary } from '../../agent/lab/machine/layout.js';
import { inside } from '../../agent/lab/machine/place.js';
import { run } from '../../agent/lab/machine/process.js';
import { parseAnswers, type ProbeAnswer } from '../../agent/lab/probe.js';
import type { Pod } from '../../agent/lab/world/objects.js';
import { split } from './cluster.js';

const STORE = '/var/lib/cni/networks/k8s-pod-network';

/** Which of the traces that a Canal node has of its pods are there. */
export interface Traces {
  /** host-local's file; false: somebody has removed it. */
  readonly reservation?: boolean;
  /** libcni's file. */
  readonly result?: boolean;
  /** The pod's address in its status. */
  readonly status?: boolean;
}

/**
 * A pod of the lab's first node as kubelet, Calico's plugin and host-local make one (compat.md 5.1
 * to 5.3, 14), by the system's own tools: nothing of canal has a hand in it.
 */
export class CalicoPod {
  #server: ChildProcess | undefined;

  private constructor(
    private readonly lab: Lab,
    readonly who: string,
    readonly address: string,
    readonly device: string,
    readonly sandbox: Sandbox,
  ) {}

  static async create(lab: Lab, who: string, address: string, traces: Traces = {}): Promise<CalicoPod> {
    const [namespace, name] = split(who);
    const object = (await lab.client.get(PODS, { namespace, name })) as unknown as Pod;
    const sandbox = await createSandbox(lab.node(1), object);
    const device = `cali${createHash('sha1').update(`${namespace}.${name}`).digest('hex').slice(0, 11)}`;
    const pod = new CalicoPod(lab, who, address, device, sandbox);
    await pod.#link();
    if (traces.reservation !== false) lab.node(1).write(`${STORE}/${address}`, `${sandbox.id}\r\neth0`, 0o600);
    lab.node(1).write(`${STORE}/last_reserved_ip.0`, address, 0o600);
    if (traces.result !== false) await pod.#result(object.metadata.uid);
    if (traces.status !== false) await lab.client.patch(PODS, { namespace, name }, 'merge', { status: { phase: 'Running', podIP: address, podIPs: [{ ip: address }] } }, { subresource: 'status' });
    return pod;
  }

  /** As libcni gives it to the plugin. */
  get attachment(): { containerId: string; netns: string; namespace: string; pod: string; uid: string; portMappings: [] } {
    const [namespace, pod] = split(this.who);
    return { containerId: this.sandbox.id, netns: this.sandbox.netns, namespace, pod, uid: '', portMappings: [] };
  }

  /** Answers on TCP and UDP ports from here on. */
  async serve(ports: readonly number[]): Promise<void> {
    const { file, args } = inside(this.sandbox.place, [labBinary(), 'serve', split(this.who)[1], ...ports.flatMap((port) => [`tcp:${port}`, `udp:${port}`])]);
    this.#server = spawn(file, args, { stdio: 'ignore' });
    await once(this.#server, 'spawn');
  }

  async probe(targets: readonly string[], timeoutMs = 500): Promise<ProbeAnswer[]> {
    const { file, args } = inside(this.sandbox.place, [labBinary(), 'probe', String(timeoutMs), ...targets]);
    return parseAnswers((await run(file, args, { timeoutMs: timeoutMs + 10_000 })).stdout);
  }

  async close(): Promise<void> {
    this.#server?.kill('SIGKILL');
    await this.sandbox.destroy();
  }

  async #link(): Promise<void> {
    const netns = this.sandbox.netns.split('/').at(-1)!;
    const inPod = ['ip', '-n', netns];
    const host = `net.ipv4.conf.${this.device}`;
    const commands = [
      ['ip', 'link', 'add', this.device, 'address', 'ee:ee:ee:ee:ee:ee', 'mtu', '1500', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns, 'mtu', '1500'],
      [...inPod, 'link', 'set', 'eth0', 'up'],
      [...inPod, 'route', 'add', '169.254.1.1', 'dev', 'eth0', 'scope', 'link'],
      [...inPod, 'route', 'add', 'default', 'via', '169.254.1.1', 'dev', 'eth0'],
      [...inPod, 'addr', 'add', `${this.address}/32`, 'dev', 'eth0'],
      ['sysctl', '-qw', `${host}.route_localnet=1`, `net.ipv4.neigh.${this.device}.proxy_delay=0`, `${host}.proxy_arp=1`, `${host}.forwarding=1`],
      ['ip', 'link', 'set', this.device, 'up'],
      ['ip', 'route', 'add', `${this.address}/32`, 'dev', this.device, 'scope', 'link', 'metric', '1024'],
    ];
    for (const command of commands) await this.lab.node(1).must(command);
  }

  async #result(uid: string): Promise<void> {
    const [namespace, name] = split(this.who);
    const [link] = JSON.parse(await this.lab.node(1).must(['ip', '-n', this.sandbox.netns.split('/').at(-1)!, '-j', 'link', 'show', 'eth0'])) as { address: string }[];
    const file = {
      kind: 'cniCacheV1',
      containerId: this.sandbox.id,
      config: Buffer.from('{"cniVersion":"0.3.1","name":"k8s-pod-network","plugins":[{"type":"calico"}]}').toString('base64'),
      ifName: 'eth0',
      networkName: 'k8s-pod-network',
      cniArgs: [['IgnoreUnknown', '1'], ['K8S_POD_NAMESPACE', namespace], ['K8S_POD_NAME', name], ['K8S_POD_INFRA_CONTAINER_ID', this.sandbox.id], ['K8S_POD_UID', uid]],
      result: { cniVersion: '0.3.1', interfaces: [{ name: this.device }, { name: 'eth0', mac: link!.address, sandbox: this.sandbox.netns }], ips: [{ version: '4', interface: 1, address: `${this.address}/32` }], dns: {} },
    };
    this.lab.node(1).write(`/var/lib/cni/results/k8s-pod-network-${this.sandbox.id}-eth0`, JSON.stringify(file), 0o600);
  }
}
