#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { CanalError } from '../base/errors.js';
import { VERSION } from '../base/version.js';
import { CommandError } from './admin-client.js';

/** Exit statuses: 0 done, 1 it failed, 2 it was called wrongly. */
const FAILED = 1;
const USAGE = 2;

type Register = (program: Command) => void;

/** Every command, in the order of `--help`. Loaded when asked for: `canal status` need not wait for an API server's code. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  agent: async () => (await import('./commands/agent.js')).register,
  status: async () => (await import('./commands/status.js')).register,
  endpoints: async () => (await import('./commands/endpoints.js')).register,
  policy: async () => (await import('./commands/policy.js')).register,
  peers: async () => (await import('./commands/peers.js')).register,
  conntrack: async () => (await import('./commands/conntrack.js')).register,
  services: async () => (await import('./commands/services.js')).register,
  drops: async () => (await import('./commands/drops.js')).register,
  routes: async () => (await import('./commands/routes.js')).register,
  capture: async () => (await import('./commands/capture.js')).register,
  maps: async () => (await import('./commands/maps.js')).register,
  trace: async () => (await import('./commands/trace.js')).register,
  apiserver: async () => (await import('./apiserver.js')).registerApiServer,
  lab: async () => (await import('./lab.js')).registerLab,
  demo: async () => (await import('./demo.js')).registerDemo,
  bench: async () => (await import('./bench.js')).registerBench,
  'install-cni': async () => (await import('./install-cni.js')).registerInstallCni,
  cleanup: async () => (await import('./commands/cleanup.js')).register,
  'mount-bpffs': async () => (await import('./commands/mount-bpffs.js')).register,
  version: async () => (await import('./commands/version.js')).register,
};

async function build(asked: string | undefined): Promise<Command> {
  const program = new Command('canal')
    .description('one node agent for Kubernetes networking: flannel\'s overlay and NetworkPolicy in eBPF')
    .version(VERSION)
    .showHelpAfterError('(--help tells more)');
  const only = asked === undefined ? undefined : COMMANDS[asked];
  for (const load of only === undefined ? Object.values(COMMANDS) : [only]) (await load())(program);
  exitOverrideAll(program);
  return program;
}

/** commander hands `exitOverride` only to commands that are made after it. */
function exitOverrideAll(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) exitOverrideAll(child);
}

async function main(): Promise<void> {
  try {
    const program = await build(process.argv[2]);
    await program.parseAsync();
  } catch (error) {
    process.exitCode = report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    const asked = ['commander.helpDisplayed', 'commander.help', 'commander.version'].includes(error.code);
    return asked && process.argv.length > 2 ? 0 : USAGE; // commander has printed it
  }
  if (error instanceof CanalError && error.code === 'CONFIG') {
    const { subject = '', message } = error;
    process.stderr.write(`canal: ${message.includes(subject) ? '' : `${subject}: `}${message}\n`);
    return USAGE;
  }
  const known = error instanceof CommandError || error instanceof CanalError;
  process.stderr.write(`canal: ${known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return FAILED;
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0); // `canal … | head`
  throw error;
});

await main();
