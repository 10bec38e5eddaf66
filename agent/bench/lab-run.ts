import { execFileSync } from 'node:child_process';
import { CanalError } from '../base/errors.js';

/**
 * Runs a program to its end. @returns its output
 * @throws CanalError('KERNEL') with what it said
 */
export function run(program: string, args: readonly string[], input = ''): string {
  try {
    return execFileSync(program, args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'], maxBuffer: 1 << 28 });
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw new CanalError('KERNEL', `${program} ${args.join(' ')}: ${stderr.trim().slice(0, 2000) || message}`, { cause: error });
  }
}
