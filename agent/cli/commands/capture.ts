import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { Writable } from 'node:stream';
import type { Command } from 'commander';
import { Capture } from '../../kernel/capture.js';
import type { EndpointView, StatusView } from '../../observe/views.js';
import { ask, CommandError } from '../admin-client.js';
import { inspection, type InspectionOptions } from '../inspection.js';

interface CaptureFlags extends InspectionOptions {
  readonly node?: boolean;
  readonly interface?: string;
  readonly write?: string;
}

interface Place {
  readonly netns: string;
  readonly device: string;
}

const READ_MS = 100;

export function register(program: Command): void {
  const command = program
    .command('capture [pod] [expression...]')
    .description('show packets where they can be seen: both directions of a pod of this node, or with --node the uplink with its VXLAN')
    .option('--node', 'the node\'s uplink in place of a pod')
    .option('-i, --interface <device>', 'another device of the pod or node')
    .option('-w, --write <file>', 'write a capture file; - for standard output');
  inspection(command).action(async (pod: string | undefined, expression: readonly string[], flags: CaptureFlags) => {
    // With --node the first word is the expression's.
    const words = flags.node === true && pod !== undefined ? [pod, ...expression] : expression;
    const place = flags.node === true ? await uplink(flags) : await podPlace(flags, pod);
    await capture(place, flags.write, words);
  });
}

async function uplink({ socket, interface: device }: CaptureFlags): Promise<Place> {
  if (device !== undefined) return { netns: '', device };
  const { overlay } = await ask<StatusView>(socket, '/v1/status');
  const name = overlay?.uplink.split(' ')[0];
  if (name === undefined || name === '') throw new CommandError('the agent knows no uplink: name a device with -i');
  return { netns: '', device: name };
}

async function podPlace({ socket, interface: device = 'eth0' }: CaptureFlags, pod: string | undefined): Promise<Place> {
  if (pod === undefined) throw new CommandError('name a pod of this node as NAMESPACE/NAME, or give --node');
  const endpoints = await ask<EndpointView[]>(socket, '/v1/endpoints');
  const found = endpoints.find((endpoint) => `${endpoint.namespace}/${endpoint.pod}` === pod || endpoint.addresses.includes(pod));
  if (found === undefined) throw new CommandError(`no pod ${pod} on this node; canal endpoints lists them`);
  return { netns: found.netns, device };
}

/** Raw records where a file is asked for and nothing is to be chosen; else through tcpdump, which knows how to show and choose. */
async function capture({ netns, device }: Place, write: string | undefined, expression: readonly string[]): Promise<void> {
  const source = new Capture(netns, device);
  const tcpdump = write !== undefined && expression.length === 0 ? undefined : startTcpdump(write, expression);
  const out: Writable = tcpdump?.stdin ?? (write === '-' ? process.stdout : createWriteStream(write!, { mode: 0o600 }));
  let stopped = false;
  const stop = (): void => void (stopped = true);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  for (const event of ['error', 'close'] as const) out.once(event, stop);
  await put(out, source.header);
  while (!stopped) {
    const records = source.read(READ_MS);
    if (records.length > 0) await put(out, Buffer.from(records));
    else await turn();
  }
  const dropped = source.dropped();
  source.close();
  if (dropped > 0) process.stderr.write(`${dropped} packets came too fast to be read\n`);
  if (out !== process.stdout) out.end();
  if (tcpdump !== undefined && tcpdump.exitCode === null) await once(tcpdump, 'exit');
  process.exitCode = tcpdump?.exitCode ?? 0;
}

async function put(out: Writable, bytes: Buffer): Promise<void> {
  if (!out.write(bytes) && !out.destroyed) await Promise.race([once(out, 'drain'), once(out, 'close')]);
}

/** In a group of its own: an interrupt ends our reading, and tcpdump with what it then has. */
function startTcpdump(write: string | undefined, expression: readonly string[]): ChildProcess & { readonly stdin: Writable } {
  const args = ['-n', '-U', '-r', '-', ...(write === undefined ? ['-l'] : ['-w', write]), ...expression];
  const child = spawn('tcpdump', args, { stdio: ['pipe', 'inherit', 'inherit'], detached: true });
  child.on('error', () => {
    process.stderr.write('tcpdump is not installed here: use -w FILE, or -w - and a tcpdump elsewhere\n');
    process.exitCode = 1;
    child.stdin.destroy();
  });
  return child;
}
