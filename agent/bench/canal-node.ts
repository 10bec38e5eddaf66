import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { CanalError } from '../base/errors.js';
import type { BenchLab } from './lab.js';
import type { NodeOrder } from './node-process.js';

/** A node of a lab under canal, for as long as it is not closed. */
export interface CanalNode {
  close(): Promise<void>;
}

/**
 * Starts {@link NodeOrder} in the node's network namespace and a mount
 * namespace of its own, and waits until policy is in force.
 * @throws CanalError('KERNEL') with what the process said
 */
export async function startCanalNode(lab: BenchLab, order: Omit<NodeOrder, 'bpffs'>): Promise<CanalNode> {
  const bpffs = '/sys/fs/bpf'; // of the mount namespace that the script makes
  const script = `mount -t bpf bpf ${bpffs} && exec "$0" "$@"`;
  const self = [...process.execArgv, join(import.meta.dirname, 'node-process.js'), JSON.stringify({ ...order, bpffs } satisfies NodeOrder)];
  const args = [`--net=${lab.netns(order.node)}`, 'unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, process.execPath, ...self];
  const child = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  await ready(child, order.node);
  return { close: () => end(child) };
}

function ready(child: ChildProcess, node: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let [out, err] = ['', ''];
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (out.startsWith('ready')) resolve();
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.on('error', reject);
    child.on('exit', (status) => reject(new CanalError('KERNEL', `canal on ${node} ended with ${status}: ${err.trim()}`)));
  });
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.stdin!.end();
  });
}
