import { accessSync, constants, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { CanalError } from '../base/errors.js';

/** Where results go, as `canal bench` and the commands below it take it. */
export interface Outputs {
  /** `-`: standard output. */
  readonly json?: string | undefined;
  /** Directory; made where it is none. */
  readonly charts?: string | undefined;
  readonly resume?: string | undefined;
}

/** Before anything is measured: an hour's figures must not be lost to a path. @throws CanalError('CONFIG') naming the flag */
export function checkOutputs({ json, charts, resume }: Outputs): void {
  if (json !== undefined && json !== '-') checkFile('--json', json);
  if (resume !== undefined) checkFile('--resume', resume);
  if (charts !== undefined) refusing('--charts', charts, () => {
    mkdirSync(charts, { recursive: true });
    accessSync(charts, constants.W_OK);
  });
}

/** Writes a result where `--json` says. */
export function putJson(result: unknown, json: string | undefined): void {
  const text = `${JSON.stringify(result, undefined, 2)}\n`;
  if (json === '-') process.stdout.write(text);
  else if (json !== undefined) writeFileSync(json, text);
}

function checkFile(flag: string, path: string): void {
  refusing(flag, path, () => {
    if (existsSync(path) && statSync(path).isDirectory()) throw new Error('a directory, not a file');
    accessSync(existsSync(path) ? path : dirname(path), constants.W_OK);
  });
}

function refusing(flag: string, path: string, attempt: () => void): void {
  try {
    attempt();
  } catch (cause) {
    throw new CanalError('CONFIG', `${flag} ${path}: ${(cause as Error).message}`, { subject: path, cause });
  }
}
