import { execFile, spawn } from 'node:child_process';
import { createReadStream, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

/** What `make test-kubernetes` was told; README.md says what each variable means. */
export const given = {
  kubeconfig: required('KUBECONFIG'),
  /** Words before a node's name and a command. */
  nodeExec: required('NODE_EXEC').split(/\s+/),
  image: process.env['IMAGE'] ?? 'build/canal-image.tar',
  nextImage: process.env['NEXT_IMAGE'] ?? '',
  podNetwork: process.env['POD_NETWORK'] ?? '10.244.0.0/16',
  /** Words before a node's name and a service's. */
  restart: process.env['RESTART']?.split(/\s+/),
  /** Words before a node's name that restart the node. */
  restartNode: (process.env['RESTART_NODE'] ?? '').split(/\s+/).filter((word) => word !== ''),
  /** A command that takes stop, start and compact. */
  controlPlane: (process.env['CONTROL_PLANE'] ?? '').split(/\s+/).filter((word) => word !== ''),
  /** The address by which the nodes reach this process, for an API server with faults. */
  frontHost: process.env['FRONT_HOST'] ?? '',
  /** The API server's audit log, at level Metadata or more, as a file here. */
  auditLog: process.env['AUDIT_LOG'] ?? '',
  /** github.com/containernetworking/cni/cnitool, built for the nodes. */
  cnitool: process.env['CNITOOL'] ?? '',
  /** cni-client/, built for the nodes. */
  cniClient: process.env['CNI_CLIENT'] ?? '',
  e2eTest: process.env['E2E_TEST'] ?? '',
  e2eArgs: (process.env['E2E_ARGS'] ?? '').split(/\s+/).filter((word) => word !== ''),
} as const;

function required(name: string): string {
  const value = process.env[name] ?? '';
  if (value === '') throw new Error(`test/kubernetes: ${name} is not set; see test/kubernetes/README.md`);
  return value;
}

export const NAMESPACE = 'canal-test';

/** `kubectl ARGS`; what it printed. Throws with its errors. */
export async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('kubectl', ['--kubeconfig', given.kubeconfig, ...args], { maxBuffer: 1 << 26 });
  return stdout.trim();
}

/** Applies objects as one document list. */
export function apply(...objects: readonly object[]): Promise<string> {
  return feed('kubectl', ['--kubeconfig', given.kubeconfig, 'apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
}

/** Runs a command on a node, with root's rights in the node's own namespaces. */
export async function onNode(node: string, ...command: string[]): Promise<string> {
  const [file = '', ...before] = given.nodeExec;
  const { stdout } = await promisify(execFile)(file, [...before, node, ...command], { maxBuffer: 1 << 26 });
  return stdout.trim();
}

/** A shell's text on a node. */
export const shellOn = (node: string, script: string): Promise<string> => onNode(node, 'sh', '-c', script);

/** Restarts a service of the node's own. */
export async function restart(node: string, service: string): Promise<void> {
  if (given.restart === undefined) await onNode(node, 'systemctl', 'restart', service);
  else await promisify(execFile)(given.restart[0]!, [...given.restart.slice(1), node, service]);
}

/** Puts an image into a node's containerd, through the command prefix's standard input. */
export function loadImage(node: string, path: string): Promise<string> {
  return feedNode(node, ['ctr', '-n', 'k8s.io', 'images', 'import', '-'], createReadStream(path));
}

/** Runs a command on a node with a file as its input. */
export function feedNode(node: string, command: readonly string[], input: NodeJS.ReadableStream): Promise<string> {
  const [file = '', ...before] = given.nodeExec;
  return feed(file, [...before, node, ...command], input);
}

function feed(file: string, args: readonly string[], input: string | NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let errors = '';
    child.stdout.on('data', (data: Buffer) => (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(out.trim()) : reject(new Error(`${file} ${args.join(' ')}: exit ${code}\n${errors}`))));
    child.stdin.on('error', () => undefined); // its exit status tells
    if (typeof input === 'string') child.stdin.end(input);
    else input.pipe(child.stdin);
  });
}

export interface ClusterNode {
  readonly name: string;
  readonly address: string;
  readonly ready: boolean;
}

interface NodeObject {
  readonly metadata: { readonly name: string };
  readonly status: { readonly addresses: readonly { readonly type: string; readonly address: string }[]; readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

/** Nodes that run pods, by name. */
export async function nodes(): Promise<ClusterNode[]> {
  const { items } = JSON.parse(await kubectl('get', 'nodes', '-o', 'json')) as { items: NodeObject[] };
  return items.map(({ metadata, status }) => ({
    name: metadata.name,
    address: status.addresses.find((a) => a.type === 'InternalIP')?.address ?? '',
    ready: status.conditions.some((c) => c.type === 'Ready' && c.status === 'True'),
  }));
}

/** The agent's pod on a node; undefined while there is none that runs. */
export async function agentPod(node: string): Promise<string | undefined> {
  const names = await kubectl('-n', 'kube-system', 'get', 'pods', '-l', 'k8s-app=canal', '--field-selector', `spec.nodeName=${node},status.phase=Running`, '-o', 'jsonpath={.items[*].metadata.name}');
  return names.split(' ').find((name) => name !== '');
}

/** `canal ARGS` in the agent's pod of a node. */
export async function canal(node: string, ...args: string[]): Promise<string> {
  return kubectl('-n', 'kube-system', 'exec', (await agentPod(node)) ?? `no agent on ${node}`, '-c', 'canal', '--', 'canal', ...args);
}

/** Waits until `check` holds, asking twice a second; throws with its last error or `what`. */
export async function eventually(what: string, check: () => Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      last = undefined;
      if (await check()) return;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`after ${timeoutMs / 1000} s not yet: ${what}`, { cause: last });
    await pause(500);
  }
}

/** The agent's whole manifest, with this cluster's pod network. */
export function manifest(): string {
  return readFileSync('deploy/canal.yaml', 'utf8').replace('10.244.0.0/16', given.podNetwork);
}

export function applyText(text: string): Promise<string> {
  return feed('kubectl', ['--kubeconfig', given.kubeconfig, 'apply', '-f', '-'], text);
}

export function deleteText(text: string): Promise<string> {
  return feed('kubectl', ['--kubeconfig', given.kubeconfig, 'delete', '--ignore-not-found', '-f', '-'], text);
}
