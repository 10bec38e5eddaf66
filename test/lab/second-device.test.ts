import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SERVICES } from '../../agent/datastore/resource.js';
import type { Lab } from '../../agent/lab/lab.js';
import { labBinary } from '../../agent/lab/machine/layout.js';
import { must, run } from '../../agent/lab/machine/process.js';
import { parseAnswers, targetText, type ProbeAnswer } from '../../agent/lab/probe.js';
import type { TraceView } from '../../agent/observe/views.js';
import { agentStatus, askAgent, createNamespace, createPod, startTestLab } from './cluster.js';
import { eventually } from './eventually.js';

/** Answers with the address and port that it sees as its client's. */
const seer = (port: number): string[] => [process.execPath, join(import.meta.dirname, '..', 'kernel', 'service-talk.mjs'), 'serve', String(port)];
const [HERE, THERE, LATER] = ['198.51.100.1', '198.51.100.2', '198.51.100.9'];
const [NEAR_PORT, FAR_PORT] = [30001, 30002];

let lab: Lab;
let there: Neighbour;

/** A machine that knows nothing of pods, on a wire of its own to the first node. */
class Neighbour {
  private constructor(
    private readonly keeper: ChildProcess,
    readonly server: ChildProcess,
  ) {}

  static async of(pid: number): Promise<Neighbour> {
    // Ends by itself where nobody closes it.
    const keeper = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 600'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(keeper.stdout, 'data');
    const enter = [`--net=/proc/${keeper.pid}/ns/net`];
    await must('nsenter', [...enter, 'ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1', 'netns', String(pid)]);
    for (const args of [['address', 'add', `${THERE}/24`, 'dev', 'eth0'], ['link', 'set', 'eth0', 'up'], ['link', 'set', 'lo', 'up']]) await must('nsenter', [...enter, 'ip', ...args]);
    const server = spawn('nsenter', [...enter, ...seer(7070)], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(server.stdout, 'data');
    return new Neighbour(keeper, server);
  }

  async asks(address: string, port: number, protocol: 'TCP' | 'UDP'): Promise<ProbeAnswer> {
    const { stdout } = await run('nsenter', [`--net=/proc/${this.keeper.pid}/ns/net`, labBinary(), 'probe', '--read', '2000', targetText({ address, port, protocol })]);
    return parseAnswers(stdout)[0]!;
  }

  async close(): Promise<void> {
    for (const each of [this.server, this.keeper]) {
      const gone = once(each, 'exit');
      each.kill('SIGKILL');
      await gone;
    }
  }
}

const ip = (...args: string[]): Promise<unknown> => lab.node(1).must(['ip', ...args]);

beforeAll(async () => {
  lab = await startTestLab('second', { nodes: 2 });
  await createNamespace(lab, 'shop');
  for (const [name, node, nodePort] of [['near', 'node1', NEAR_PORT], ['far', 'node2', FAR_PORT]] as const) {
    await createPod(lab, `shop/${name}`, { node, labels: { app: name }, container: { command: seer(8080) }, ports: [[8080, 'TCP', 'http']] });
    const ports = [{ name: 'tcp', port: 80, targetPort: 8080, nodePort }, { name: 'udp', port: 53, protocol: 'UDP', targetPort: 8080, nodePort: nodePort + 100 }];
    await lab.client.create(SERVICES, 'shop', { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'shop' }, spec: { type: 'NodePort', selector: { app: name }, ports } });
  }
  await lab.podsReady('shop');
  there = await Neighbour.of(lab.node(1).holder.pid);
  await ip('address', 'add', `${HERE}/24`, 'dev', 'eth1');
  await ip('link', 'set', 'eth1', 'up');
}, 120_000);

afterAll(async () => {
  await there?.close();
  await lab?.close();
});

/** Whom the other side saw, over both protocols, once it is as said. */
const sees = (what: string, ask: (protocol: 'TCP' | 'UDP') => Promise<ProbeAnswer>, expected: string): Promise<unknown> =>
  Promise.all((['TCP', 'UDP'] as const).map((protocol) => eventually(`${what} ${protocol}`, async () => {
    const { outcome, answer } = await ask(protocol);
    const seen = outcome === 'open' ? answer.split(' ')[0]! : outcome;
    return seen === expected ? '' : `answered ${seen}, not ${expected}`;
  }, { withinMs: 10_000 })));
const podAsks = (pod: string) => async (protocol: 'TCP' | 'UDP'): Promise<ProbeAnswer> => (await lab.probe({ namespace: 'shop', pod }, [{ address: THERE, port: 7070, protocol }], { read: true }))[0]!;
const nodePort = (port: number) => (protocol: 'TCP' | 'UDP'): Promise<ProbeAnswer> => there.asks(HERE, protocol === 'UDP' ? port + 100 : port, protocol);
const overlay = (): string => (lab.caches.nodes.get('node1')!.spec as { podCIDR: string }).podCIDR.replace(/\/.*/, '');

describe('a device beside the uplink, which came after the agent', () => {
  it('gives what pods send over it the node’s address there', async () => {
    await sees('masquerade', podAsks('near'), HERE);
    const { source } = await askAgent<TraceView>(lab, 1, '/v1/trace', { from: 'shop/near', to: THERE, port: '7070', protocol: 'TCP' });
    expect(source).toMatchObject({ kind: 'masquerade', address: HERE });
    expect((await agentStatus(lab, 1)).overlay!.outside).toEqual([`eth1 ${HERE}`]);
    expect(await lab.podExec('shop', 'near', ['ping', '-c', '2', '-i', '0.2', '-W', '2', THERE])).toMatchObject({ code: 0 });
  });

  it('serves NodePorts at its address', async () => {
    await sees('near', nodePort(NEAR_PORT), THERE);
    await sees('far', nodePort(FAR_PORT), overlay());
  });

  it('is followed when its address changes, and let go when it is gone', async () => {
    await ip('address', 'add', `${LATER}/24`, 'dev', 'eth1');
    await ip('address', 'delete', `${HERE}/24`, 'dev', 'eth1');
    await ip('address', 'replace', `${LATER}/24`, 'dev', 'eth1');
    await sees('masquerade', podAsks('near'), LATER);
    await ip('link', 'delete', 'eth1');
    await eventually('the map forgets the device', async () => {
      const rows = JSON.parse(await lab.node(1).must(['bpftool', '-j', 'map', 'dump', 'pinned', '/sys/fs/bpf/canal/canal_outside'])) as unknown[];
      return rows.length === 1 ? '' : `${rows.length} rows`;
    }, { withinMs: 10_000 });
  });
});
