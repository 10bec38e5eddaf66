#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { CanalError } from '../base/errors.js';
import { CommandError } from './admin-client.js';
import * as agent from './commands/agent.js';
import * as conntrack from './commands/conntrack.js';
import * as drops from './commands/drops.js';
import * as endpoints from './commands/endpoints.js';
import * as maps from './commands/maps.js';
import * as peers from './commands/peers.js';
import * as policy from './commands/policy.js';
import * as routes from './commands/routes.js';
import * as status from './commands/status.js';
import * as trace from './commands/trace.js';
import * as version from './commands/version.js';

/** Exit statuses: 0 done, 1 it failed, 2 it was called wrongly. */
const FAILED = 1;
const USAGE = 2;

const COMMANDS = [agent, status, endpoints, policy, peers, conntrack, drops, routes, maps, trace, version];

function build(): Command {
  const program = new Command('canal')
    .description('one node agent for Kubernetes networking: flannel\'s overlay and NetworkPolicy in eBPF')
    .showHelpAfterError('(--help tells more)')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  for (const command of COMMANDS) command.register(program);
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
    await build().parseAsync();
  } catch (error) {
    process.exitCode = report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    const asked = ['commander.helpDisplayed', 'commander.version'].includes(error.code);
    return asked ? 0 : USAGE; // commander has printed it
  }
  if (error instanceof CanalError && error.code === 'CONFIG') {
    process.stderr.write(`canal: ${error.message}\n`);
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
