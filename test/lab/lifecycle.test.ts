import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { cgroupRoot, processesOf } from '../../agent/lab/machine/cgroup.js';
import { cli } from '../../agent/lab/machine/layout.js';
import { run, type RunResult } from '../../agent/lab/machine/process.js';
import { leftoverNames } from '../../agent/lab/state.js';
import type { LabStatus } from '../../agent/lab/status.js';
import { EmptyNetns } from '../support/empty-netns.js';
import { eventually } from './eventually.js';
import { podManifest } from './manifests.js';
import { traces } from './traces.js';

// Each starts a lab or two, and with it agents whose programs the verifier takes seconds for.
vi.setConfig({ testTimeout: 90_000 });

const name = `life-${process.pid}`;
const scratch = mkdtempSync(join(tmpdir(), 'canal-test-'));

/** The "machine" of these labs: other test files make links in the namespace that all share. */
let machine: EmptyNetns;

beforeAll(async () => {
  machine = await EmptyNetns.create();
  await inMachine(['ip', 'link', 'set', 'lo', 'up']);
});

async function inMachine(words: readonly string[]): Promise<RunResult> {
  const [enter, ...place] = machine.enter;
  return run(enter, [...place, ...words], { env: { ...process.env, CANAL_TEST_LAB: name }, timeoutMs: 60_000 });
}

/** `canal lab …`, as a user calls it. What it starts carries a mark by which it is found again. */
function lab(...args: string[]): Promise<RunResult> {
  return inMachine([process.execPath, cli(), 'lab', ...args]);
}

async function up(...args: string[]): Promise<LabStatus> {
  const { code, stdout, stderr } = await lab('up', '--name', name, '--nodes', '1', '--json', ...args);
  expect([code, stderr]).toEqual([0, expect.stringContaining('nodes are ready')]);
  return JSON.parse(stdout) as LabStatus;
}

async function status(): Promise<LabStatus> {
  return JSON.parse((await lab('status', '--name', name, '--json')).stdout) as LabStatus;
}

/** A pod that would outlive its lab if something was forgotten. */
async function runPod(kubeconfig: string): Promise<void> {
  const file = join(scratch, 'pod.json');
  writeFileSync(file, JSON.stringify(podManifest('stray', {}, { command: ['sh', '-c', 'setsid sleep 3600 & exec sleep 3600'] })));
  expect((await lab('apply', '--name', name, '-f', file)).code).toBe(0);
  const { code, stderr } = await inMachine(['kubectl', `--kubeconfig=${kubeconfig}`, 'wait', '--for=condition=Ready', 'pod/stray', '--timeout=20s']);
  expect([code, stderr]).toEqual([0, '']);
}

afterAll(async () => {
  await lab('down', '--name', name);
  await machine.close();
  rmSync(scratch, { recursive: true, force: true });
});

it('lab down leaves no trace', async () => {
  const before = await traces(name, machine.enter);
  const { kubeconfig, nodes } = await up();
  await runPod(kubeconfig);
  expect(nodes).toHaveLength(1);
  expect((await lab('list')).stdout.split('\n')).toContain(name);
  // Not while it runs either: links, routes, mounts and files of the machine are the same.
  const { cgroups, processes, files, ...rest } = await traces(name, machine.enter);
  expect([cgroups, files]).toEqual([[`canal-lab-${name}`], [name]]);
  expect((processes as string[]).length).toBeGreaterThan(3);
  expect(before).toMatchObject(rest);

  expect((await lab('down', '--name', name)).code).toBe(0);
  expect(await traces(name, machine.enter)).toEqual(before);
});

it('lab down leaves no trace after kill -9 of everything', async () => {
  const before = await traces(name, machine.enter);
  const { kubeconfig, pid } = await up();
  await runPod(kubeconfig);
  for (const one of [pid, ...processesOf(join(cgroupRoot(), `canal-lab-${name}`))]) process.kill(one, 'SIGKILL');
  const { stdout, stderr, code } = await lab('status', '--name', name);
  expect([stdout, code]).toEqual(['', 1]);
  expect(stderr).toContain('does not answer');
  expect((await lab('down', '--name', name)).stderr).toContain('is gone');
  expect(await traces(name, machine.enter)).toEqual(before);
});

it('lab up takes the place of a lab whose process is gone, and not of one that runs', async () => {
  const first = await up();
  const refused = await lab('up', '--name', name);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('is there already');
  // What `lab down --leftovers` would remove; others' leftovers are not the test's.
  expect(leftoverNames()).not.toContain(name);
  process.kill(first.pid, 'SIGKILL');
  await eventually('a leftover', () => (leftoverNames().includes(name) ? '' : leftoverNames()), { withinMs: 10_000 });
  const second = await up();
  expect(second.pid).not.toBe(first.pid);
  expect((await status()).nodes[0]).toMatchObject({ name: 'node1', ready: true });
  await lab('down', '--name', name);
});

it('a lab that fails to start leaves nothing and says why', async () => {
  const before = await traces(name, machine.enter);
  const { code, stderr } = await lab('up', '--name', name, '--nodes', '1', '--agent-arg=--no-such-flag');
  expect(code).toBe(1);
  expect(stderr).toMatch(/agent of node1 has ended/);
  expect(await traces(name, machine.enter)).toEqual(before);
});

it('keeps its files in the directory that it was given, beside those that were there', async () => {
  const dir = join(scratch, 'lab');
  writeFileSync(join(scratch, 'mine'), '');
  const { kubeconfig } = await up('--dir', scratch);
  expect(kubeconfig).toBe(join(scratch, 'kubeconfig'));
  await lab('down', '--name', name);
  expect(existsSync(dir)).toBe(false);
  expect(readdirSync(scratch).filter((entry) => entry !== 'pod.json')).toEqual(['mine']);
});

it('commands end as what they ran, and wrong calls say so', async () => {
  await up();
  expect((await lab('exec', '--name', name, 'node1', '--', 'sh', '-c', 'exit 7')).code).toBe(7);
  expect((await lab('node', 'exec', '--name', name, 'node1', '--', 'hostname')).stdout).toBe('node1\n');
  expect((await lab('exec', '--name', name, 'default/nobody', '--', 'true')).code).toBe(2);
  expect((await lab('up', '--name', 'NOT/VALID')).code).toBe(2);
  expect(existsSync('/run/canal-lab/NOT')).toBe(false);
  expect((await lab('status', '--name', 'no-such-lab')).stderr).toContain('there is no lab no-such-lab');
  const [enter, ...place] = machine.enter;
  const capture = spawn(enter, [...place, process.execPath, cli(), 'lab', 'capture', '--name', name, 'node1', '-w', '-'], { stdio: ['ignore', 'pipe', 'ignore'] });
  // The header of a capture file: it captures in the node.
  const [chunk] = (await once(capture.stdout, 'data')) as [Buffer];
  expect(chunk.readUInt32LE(0)).toBe(0xa1b2c3d4);
  capture.kill('SIGTERM');
  await once(capture, 'exit');
  await lab('down', '--name', name);
});
