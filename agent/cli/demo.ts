import type { Command } from 'commander';
import { runDemo } from '../lab/demo/demo.js';

/** `canal demo`: what `make demo` runs. */
export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description('a cluster in a box, a shop and its policies, shown and checked (KEEP=1 leaves it running)')
    .option('--name <name>', "the lab's name", 'demo')
    .option('--no-throughput', 'leave the measurement out')
    .action(async ({ name, throughput }: { name: string; throughput: boolean }) => {
      process.exitCode = await runDemo({ name, throughput, keep: !['', '0', undefined].includes(process.env['KEEP']) });
    });
}
