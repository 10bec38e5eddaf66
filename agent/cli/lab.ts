import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { controlAgent, statusOf } from '../lab/control-client.js';
import { runClusterDns } from '../lab/dns/cluster-dns.js';
import { launch, serveLab, type LaunchOptions } from '../lab/launcher.js';
import { inside } from '../lab/machine/place.js';
import { exitCode } from '../lab/machine/process.js';
import { matrixText, probeMatrix, type Cell } from '../lab/matrix.js';
import type { ProbeProtocol } from '../lab/probe.js';
import { destroy, labNames, leftoverNames } from '../lab/state.js';
import type { LabStatus } from '../lab/status.js';
import { placeOfTarget, podsNamed } from '../lab/targets.js';
import { textTable } from './text-table.js';

const DEFAULT_NAME = 'demo';

interface Named {
  readonly name: string;
  readonly json?: boolean;
}

/** `canal lab`: clusters on this machine, made of namespaces. */
export function registerLab(program: Command): void {
  const lab = program.command('lab').description('a cluster on this machine: nodes as namespaces, each with the real agent');
  registerUp(lab);
  registerDown(lab);
  registerViews(lab);
  registerCommands(lab);
  registerProbe(lab);
  registerAgent(lab);
  lab.command('serve', { hidden: true }).action(serveLab);
  // What the pod of `lab up --dns` runs.
  lab
    .command('dns', { hidden: true })
    .requiredOption('--kubeconfig <file>')
    .option('--port <n>', 'UDP and TCP', number, 53)
    .action(({ kubeconfig, port }: { kubeconfig: string; port: number }) => runClusterDns(kubeconfig, port));
}

const named = (command: Command): Command => command.option('--name <name>', 'which lab', DEFAULT_NAME);
const withJson = (command: Command): Command => named(command).option('--json', 'print JSON');

function registerUp(lab: Command): void {
  withJson(lab.command('up'))
    .description('start a lab and wait until its nodes are ready')
    .option('--nodes <n>', 'how many nodes', number, 2)
    .option('--dir <directory>', "the lab's files (default: below /run)")
    .option('--kubeconfig <file>', 'use this API server instead of an embedded one')
    .option('--pod-cidr <cidr>', "the pods' addresses", '10.42.0.0/16')
    .option('--service-cidr <cidr>', "the services' addresses", '10.43.0.0/16')
    .option('--dns', "a name server for the cluster's names: service kube-dns in kube-system")
    .option('--api-port <port>', "the embedded API server's port on loopback; 0 takes a free one", number, 0)
    .option('--no-agent', 'nodes without agent: `lab agent start` starts one')
    .option('--agent-arg <argument...>', 'more arguments for each agent')
    .option('--log-level <level>', 'debug, info, warn or error', 'warn')
    .action(async (flags: Omit<LaunchOptions, 'agentArgs'> & { agentArg?: string[]; json?: boolean }) => {
      const { agentArg = [], json, ...options } = flags;
      const status = await launch({ ...options, agentArgs: agentArg }, (line) => process.stderr.write(`${line}\n`));
      print(json, status, () => `export KUBECONFIG=${status.kubeconfig}\n`);
    });
}

function registerDown(lab: Command): void {
  named(lab.command('down'))
    .description('remove a lab and every trace of it, also what a crash has left')
    .option('--all', 'all labs of this machine, running ones too')
    .option('--leftovers', 'all labs of this machine whose process is gone')
    .action(async ({ name, all, leftovers }: Named & { all?: boolean; leftovers?: boolean }) => {
      const names = all === true ? labNames() : leftovers === true ? leftoverNames() : [name];
      for (const one of names) process.stderr.write((await destroy(one)) ? `lab ${one} is gone\n` : `there is no lab ${one}\n`);
    });
}

function registerViews(lab: Command): void {
  withJson(lab.command('status'))
    .description("a lab's nodes and pods")
    .action(async ({ name, json }: Named) => {
      const status = await statusOf(name);
      print(json, status, () => statusText(status));
    });
  lab
    .command('list')
    .description('all labs of this machine')
    .option('--json', 'print JSON')
    .action(({ json }: { json?: boolean }) => print(json, labNames(), () => labNames().map((name) => `${name}\n`).join('')));
}

function statusText(status: LabStatus): string {
  const dash = (value: string | number | null): string | number => value ?? '-';
  const nodes = status.nodes.map((one) => [one.name, one.ip, dash(one.podCIDR), one.ready ? 'ready' : 'not ready', one.pid, dash(one.agentPid)]);
  const pods = status.pods.map((one) => [one.namespace, one.name, one.node, dash(one.ip), one.ready ? 'ready' : one.phase, dash(one.pid)]);
  return [
    `export KUBECONFIG=${status.kubeconfig}\n`,
    textTable(['NODE', 'ADDRESS', 'PODS', 'STATE', 'PID', 'AGENT'], nodes),
    textTable(['NAMESPACE', 'POD', 'NODE', 'ADDRESS', 'STATE', 'PID'], pods, 'no pods'),
  ].join('\n');
}

function registerCommands(lab: Command): void {
  const exec = (command: Command): Command =>
    named(command).action(async (target: string, words: string[], { name }: Named) => {
      process.exitCode = await runIn(await statusOf(name), target, words);
    });
  exec(lab.command('exec <target> <command...>')).description('run a command in a pod (NAMESPACE/POD) or on a node, with its exit status');
  exec(lab.command('node').description('nodes').command('exec <node> <command...>')).description('run a command on a node');
  named(lab.command('apply'))
    .description('kubectl apply against the lab')
    .requiredOption('-f, --filename <file>', 'file, directory or URL; - for standard input')
    .action(async ({ name, filename }: Named & { filename: string }) => {
      const { kubeconfig } = await statusOf(name);
      process.exitCode = await foreground('kubectl', ['apply', '-f', filename], { ...process.env, KUBECONFIG: kubeconfig });
    });
  named(lab.command('capture <target> [expression...]'))
    .description('show packets of a pod or node, as tcpdump does')
    .option('-i, --interface <device>', 'which device', 'any')
    .option('-w, --write <file>', 'write a capture file; - for standard output')
    .action(async (target: string, expression: string[], flags: Named & { interface: string; write?: string }) => {
      // The target's own mounts would put the file out of reach: only its network is entered.
      const { file, args } = inside({ net: placeOfTarget(await statusOf(flags.name), target).net! }, ['tcpdump', '-n', '-U', '-i', flags.interface, ...(flags.write === undefined ? [] : ['-w', flags.write]), ...expression], ['--cwd', process.cwd()]);
      process.exitCode = await foreground(file, args, process.env);
    });
}

function runIn(status: LabStatus, target: string, words: readonly string[]): Promise<number> {
  const { file, args } = inside(placeOfTarget(status, target), words);
  return foreground(file, args, process.env);
}

/** Runs a command with our own terminal; its exit status. */
async function foreground(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const child = spawn(file, args, { stdio: 'inherit', env });
  // The terminal sends these to the whole group: the command decides.
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return exitCode(code, signal);
}

interface ProbeFlags extends Named {
  readonly from?: string[];
  readonly to?: string[];
  readonly port?: number;
  readonly protocol: ProbeProtocol;
  readonly timeout: number;
}

function registerProbe(lab: Command): void {
  withJson(lab.command('probe'))
    .description('who reaches whom: a table of all pods, sources down, targets across')
    .option('--from <pod...>', 'sources: NAMESPACE/POD, or NAMESPACE/ for all of one')
    .option('--to <pod...>', 'targets')
    .option('--port <n>', "port of all targets (default: each one's first)", number)
    .addOption(new Option('--protocol <name>', 'which protocol').choices(['TCP', 'UDP']).default('TCP'))
    .option('--timeout <ms>', 'silence for so long is a no', number, 1000)
    .action(async (flags: ProbeFlags) => {
      const status = await statusOf(flags.name);
      const { protocol, port, timeout: timeoutMs } = flags;
      const options = { protocol, timeoutMs, ...(port === undefined ? {} : { port }) };
      const cells = await probeMatrix(podsNamed(status, flags.from), podsNamed(status, flags.to), options);
      print(flags.json, cells, () => `${matrixText(cells, { mark: (cell: Cell) => (cell.allowed ? 'Y' : 'X') })}Y reached, X not, . not asked\n`);
    });
}

function registerAgent(lab: Command): void {
  const agent = lab.command('agent').description("a node's agent");
  for (const verb of ['start', 'stop', 'kill'] as const) {
    withJson(agent.command(`${verb} <node>`))
      .description({ start: 'start it', stop: 'SIGTERM', kill: 'SIGKILL' }[verb])
      .action(async (node: string, { name, json }: Named) => {
        const status = await controlAgent(name, node, verb);
        print(json, status, () => `${node}: agent ${status.nodes.find((one) => one.name === node)?.agentPid ?? 'does not run'}\n`);
      });
  }
}

function print(json: boolean | undefined, value: unknown, text: () => string): void {
  process.stdout.write(json === true ? `${JSON.stringify(value, undefined, 2)}\n` : text());
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < 0) throw new InvalidArgumentError('must be a number');
  return value;
}

