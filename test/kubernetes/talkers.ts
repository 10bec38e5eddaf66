import { readFileSync } from 'node:fs';
import { apply, eventually, kubectl, NAMESPACE, type ClusterNode } from './cluster.js';

/** The only image that the test needs: it has Node. */
export const IMAGE = `canal:${(JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version}`;

export interface Target {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

export interface Plan {
  readonly targets: readonly Target[];
  /** Datagrams a second to each target. */
  readonly hz: number;
  /** New connections a second to each. */
  readonly connectHz: number;
  /** Connections to each that stay. */
  readonly held: number;
}

export interface Totals {
  readonly name: string;
  readonly datagrams: { readonly sent: number; readonly answered: number; readonly lost: number; readonly longestGapMs: number };
  readonly connects: { readonly sent: number; readonly answered: number; readonly lost: number; readonly slowestMs: number };
  readonly held: { readonly open: number; readonly broken: number; readonly answered: number; readonly longestSilenceMs: number };
}

export interface Report {
  readonly at: number;
  /** Datagrams that the talker's sockets had no room for, as its namespace counts them: not lost on the way. */
  readonly bufferDrops: number;
  /** Longest time that the talker did not get the processor. */
  readonly longestStallMs: number;
  readonly report: readonly Totals[];
}

/** The namespace and the program that talkers run. */
export async function prepareTalk(): Promise<void> {
  await apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'talk', namespace: NAMESPACE }, data: { 'talk.mjs': readFileSync('test/kubernetes/talk.mjs', 'utf8') } },
  );
}

export interface Talker {
  readonly name: string;
  readonly node: ClusterNode;
  readonly labels?: Readonly<Record<string, string>>;
  readonly hostNetwork?: boolean;
  readonly args: readonly string[];
}

export const server = (name: string, node: ClusterNode, ports: readonly number[], more: Partial<Talker> = {}): Talker => ({ name, node, args: ['serve', ...ports.map(String)], ...more });
export const prober = (name: string, node: ClusterNode, plan: Plan, more: Partial<Talker> = {}): Talker => ({ name, node, args: ['probe', JSON.stringify(plan)], ...more });

/** Starts pods and waits until they run. */
export async function start(...talkers: readonly Talker[]): Promise<void> {
  await apply(...talkers.map(podOf));
  await kubectl('-n', NAMESPACE, 'wait', '--for=condition=Ready', '--timeout=90s', ...talkers.map(({ name }) => `pod/${name}`));
}

export function remove(...names: readonly string[]): Promise<string> {
  return kubectl('-n', NAMESPACE, 'delete', 'pod', '--ignore-not-found', '--grace-period=0', '--force', ...names);
}

export function addressOf(pod: string): Promise<string> {
  return kubectl('-n', NAMESPACE, 'get', 'pod', pod, '-o', 'jsonpath={.status.podIP}');
}

function podOf({ name, node, labels = {}, hostNetwork = false, args }: Talker): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE, labels: { name, ...labels } },
    spec: {
      nodeName: node.name,
      hostNetwork,
      terminationGracePeriodSeconds: 0,
      tolerations: [{ operator: 'Exists' }],
      containers: [{ name: 'talk', image: IMAGE, imagePullPolicy: 'IfNotPresent', command: ['/usr/bin/node', '/talk/talk.mjs'], args, volumeMounts: [{ name: 'talk', mountPath: '/talk' }] }],
      volumes: [{ name: 'talk', configMap: { name: 'talk' } }],
    },
  };
}

/** What a prober has counted until now. */
export async function reportOf(pod: string): Promise<Report> {
  const line = await kubectl('-n', NAMESPACE, 'logs', '--tail=1', pod);
  return JSON.parse(line) as Report;
}

/** Waits for a report that is younger than this call by `afterMs`. */
export async function laterReport(pod: string, afterMs: number): Promise<Report> {
  const begun = Date.now();
  let last: Report | undefined;
  await eventually(`a report of ${pod}`, async () => {
    last = await reportOf(pod);
    return last.at >= begun + afterMs;
  });
  return last!;
}

/** One exchange with `target`, in the prober's way: whether it was answered. */
export async function reaches(pod: string, target: Target, protocol: 'TCP' | 'UDP', timeoutMs = 5000): Promise<boolean> {
  const script = protocol === 'TCP' ? TCP_ONCE : UDP_ONCE;
  const out = await kubectl('-n', NAMESPACE, 'exec', pod, '--', '/usr/bin/node', '-e', script, target.host, String(target.port), String(timeoutMs));
  return out === 'answered';
}

const END = "const end=(t)=>{console.log(t);process.exit(0)};const [host,port,ms]=process.argv.slice(1);setTimeout(()=>end('silence'),Number(ms));";
const TCP_ONCE = `${END}const s=require('net').createConnection({host,port:Number(port)},()=>s.write('?'));s.on('data',()=>end('answered')).on('error',(e)=>end(e.code));`;
const UDP_ONCE = `${END}const s=require('dgram').createSocket('udp4');s.on('message',()=>end('answered')).on('error',(e)=>end(e.code));s.send('?',Number(port),host,(e)=>e&&end(e.code));`;
