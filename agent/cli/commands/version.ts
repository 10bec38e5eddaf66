import type { Command } from 'commander';
import { VERSION } from '../../base/version.js';

export function register(program: Command): void {
  program
    .command('version')
    .description('print the version')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => {
      const view = { version: VERSION, node: process.version, arch: process.arch };
      process.stdout.write(options.json === true ? `${JSON.stringify(view)}\n` : `canal ${VERSION} (Node ${process.version}, ${process.arch})\n`);
    });
}
