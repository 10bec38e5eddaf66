import type { Command } from 'commander';
import { ask, DEFAULT_SOCKET } from './admin-client.js';

export interface InspectionOptions {
  readonly socket: string;
  readonly json?: boolean;
}

/** The options that every command which asks the agent has. */
export function inspection(command: Command): Command {
  return command
    .option('--socket <path>', 'admin socket of the agent', process.env['CANAL_SOCKET'] ?? DEFAULT_SOCKET)
    .option('--json', 'print the answer as JSON');
}

/** Asks, and prints the answer as JSON or as text. */
export async function show<T>(options: InspectionOptions, path: string, text: (view: T) => string, query: Readonly<Record<string, string | undefined>> = {}): Promise<T> {
  const view = await ask<T>(options.socket, path, query);
  process.stdout.write(options.json === true ? `${JSON.stringify(view, null, 2)}\n` : text(view));
  return view;
}
