import { execFileSync } from 'node:child_process';

/** Runs a command line without a shell (split at blanks) and returns what it printed; throws with its errors where it fails. */
export function run(command: string): string {
  const [file = '', ...args] = command.split(' ');
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** The same, as clean-up: what is absent is no failure. */
export function runQuietly(command: string): void {
  try {
    run(command);
  } catch {
    // already gone
  }
}
