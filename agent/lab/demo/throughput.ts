import { manifestText } from '../manifest-text.js';
import { run } from '../machine/process.js';
import { inside } from '../machine/place.js';
import type { LabStatus } from '../status.js';
import { placeOfTarget } from '../targets.js';

const NAMESPACE = 'bench';
const ROUNDS = 3;
const SECONDS = 1;

/** Client and servers of the measurement, on known nodes. */
export function benchPods(): object[] {
  const pod = (name: string, node: string, command: readonly string[]): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE, labels: { app: name } },
    spec: { nodeSelector: { 'kubernetes.io/hostname': node }, terminationGracePeriodSeconds: 1, containers: [{ name: 'iperf3', image: 'iperf3', command, ports: [{ containerPort: 5201 }] }] },
  });
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    pod('client', 'node1', ['sleep', '3600']),
    pod('near', 'node1', ['iperf3', '-s']),
    pod('far', 'node2', ['iperf3', '-s']),
  ];
}

/** Policies that allow the measurement and nothing else, in both directions. */
export function benchPolicies(): object[] {
  const client = { podSelector: { matchLabels: { app: 'client' } } };
  const servers = { podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['near', 'far'] }] } };
  const ports = [{ protocol: 'TCP', port: 5201 }];
  const policy = (name: string, spec: object): object => ({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name, namespace: NAMESPACE }, spec });
  return [
    policy('servers', { ...servers, policyTypes: ['Ingress', 'Egress'], ingress: [{ from: [client], ports }], egress: [] }),
    policy('client', { ...client, policyTypes: ['Ingress', 'Egress'], ingress: [], egress: [{ to: [servers], ports }] }),
  ];
}

export interface Throughput {
  readonly path: 'same node' | 'across nodes';
  /** Medians, Gbit/s. */
  readonly without: number;
  readonly with: number;
}

/**
 * Streams for a second at a time, with and without policies in turns (A B A B …), so that what
 * else the machine does meets both alike.
 */
export async function measureThroughput(status: LabStatus): Promise<Throughput[]> {
  const samples = new Map<string, number[]>();
  const take = async (policies: boolean): Promise<void> => {
    for (const server of ['near', 'far']) {
      const key = `${server} ${policies}`;
      samples.set(key, [...(samples.get(key) ?? []), await stream(status, server)]);
    }
  };
  for (let round = 0; round < ROUNDS; round++) {
    await take(false);
    await kubectl(status, ['apply', '-f', '-'], manifestText(benchPolicies()));
    await take(true);
    await kubectl(status, ['delete', 'networkpolicy', '--all', '-n', NAMESPACE], '');
  }
  const at = (server: string, policies: boolean): number => median(samples.get(`${server} ${policies}`)!);
  return [
    { path: 'same node', without: at('near', false), with: at('near', true) },
    { path: 'across nodes', without: at('far', false), with: at('far', true) },
  ];
}

async function stream(status: LabStatus, server: string): Promise<number> {
  const address = status.pods.find((pod) => pod.namespace === NAMESPACE && pod.name === server)?.ip;
  const { file, args } = inside(placeOfTarget(status, `${NAMESPACE}/client`), ['iperf3', '-c', String(address), '-t', String(SECONDS), '-J']);
  const { code, stdout } = await run(file, args);
  const report = JSON.parse(stdout || '{}') as { error?: string; end?: { sum_received?: { bits_per_second: number } } };
  if (code !== 0 || report.end?.sum_received === undefined) throw new Error(`iperf3: ${report.error ?? `exit ${code}`}`);
  return report.end.sum_received.bits_per_second / 1e9;
}

async function kubectl(status: LabStatus, args: readonly string[], input: string): Promise<void> {
  const { code, stderr } = await run('kubectl', args, { input, env: { ...process.env, KUBECONFIG: status.kubeconfig } });
  if (code !== 0) throw new Error(stderr);
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
