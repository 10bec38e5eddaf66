import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Cidr } from '../../agent/base/address.js';
import { systemClock } from '../../agent/base/clock.js';
import { EndpointStore } from '../../agent/cni/endpoint-store.js';
import { startCni, type CniService } from '../../agent/cni/service.js';
import type { PodAsks } from '../../agent/model/objects.js';
import { Ipam } from '../../agent/ipam/ipam.js';
import { FlockFileLock } from '../../agent/kernel/file-lock.js';
import { EmptyNetns } from '../support/empty-netns.js';
import { run, runQuietly } from '../support/shell.js';
import { KernelDataplane } from './cni-dataplane.js';

/** A node with real links and programs, the real server, and the real plugin binary to call it. */
export class CniNode {
  readonly directory = mkdtempSync(join(tmpdir(), 'canal-kernel-cni-'));
  readonly dataplane = KernelDataplane.open();
  /** Annotations of pods, by namespace/name. */
  readonly asks = new Map<string, PodAsks>();
  private readonly uplink = `up${process.pid}`;
  private readonly pods: EmptyNetns[] = [];
  private cni: CniService | undefined;

  /** @param subnet second octet of its pod CIDR: files that run at once need different ones */
  private constructor(private readonly subnet: number) {}

  static async create(subnet: number): Promise<CniNode> {
    execFileSync('make', ['-s', '-C', 'native/cni']);
    run('sysctl -qw net.ipv4.ip_forward=1');
    const node = new CniNode(subnet);
    // Proxy ARP answers for what is routed elsewhere: a node has a default route. Other files' tests run beside this one.
    run(`ip link add ${node.uplink} type veth peer name ${node.uplink}l`);
    for (const device of [node.uplink, `${node.uplink}l`]) run(`ip link set ${device} up`);
    run(`ip route add default dev ${node.uplink} metric ${process.pid}`);
    await node.start();
    return node;
  }

  async start(): Promise<void> {
    this.cni = await startCni(
      {
        dataplane: this.dataplane,
        network: { podCidrs: () => [Cidr.parse(`10.${this.subnet}.0.0/22`)!], podMtu: () => 1450 },
        pods: { asks: (namespace, pod) => Promise.resolve(this.asks.get(`${namespace}/${pod}`) ?? {}) },
        ipam: new Ipam(new FlockFileLock()),
        endpoints: new EndpointStore(join(this.directory, 'endpoints')),
        annotator: { attached: () => undefined, detached: () => undefined },
        clock: systemClock,
        log: pino({ level: 'silent' }),
      },
      { socket: join(this.directory, 'cni.sock'), queue: join(this.directory, 'queue'), addressDirectories: [join(this.directory, 'net')], resultCache: join(this.directory, 'results') },
    );
  }

  async stop(): Promise<void> {
    await this.cni?.close();
    this.cni = undefined;
  }

  async netns(): Promise<EmptyNetns> {
    const made = await EmptyNetns.create();
    this.pods.push(made);
    return made;
  }

  /** The binary as a runtime calls it. Resolves to its output; rejects with it where it fails. */
  plugin(command: string, pod: string, path: string, more: object = {}): Promise<string> {
    const env = {
      CANAL_CNI_SOCKET: join(this.directory, 'cni.sock'), CANAL_CNI_QUEUE: join(this.directory, 'queue'),
      CNI_COMMAND: command, CNI_CONTAINERID: `id-${pod}`, CNI_NETNS: path, CNI_IFNAME: 'eth0', CNI_ARGS: `K8S_POD_NAMESPACE=t;K8S_POD_NAME=${pod}`,
    };
    const config = { cniVersion: '1.0.0', name: 'net', type: 'canal', ipam: { type: 'host-local', dataDir: this.directory }, ...more };
    return new Promise((resolve, reject) => {
      const child = execFile('build/native/canal-cni', { env }, (error, stdout) => (error === null ? resolve(stdout) : reject(new Error(stdout))));
      child.stdin!.end(JSON.stringify(config));
    });
  }

  reserved(): string[] {
    return readdirSync(join(this.directory, 'net')).filter((name) => name.startsWith('10.')).sort();
  }

  async close(): Promise<void> {
    await this.stop();
    this.dataplane.close();
    await Promise.all(this.pods.map((pod) => pod.close()));
    runQuietly(`ip link del ${this.uplink}`);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export const addressOf = (output: string): string => (JSON.parse(output) as { ips: { address: string }[] }).ips[0]!.address.split('/')[0]!;
