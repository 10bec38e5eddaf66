import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CanalError } from '../../base/errors.js';

/** Labs by name: a directory, or a link to the one that `--dir` named. */
export const LABS = '/run/canal-lab';

/** The lab's own network: the same in every lab, since each has a namespace for it. */
export const LAN_GATEWAY = '172.30.0.1';
export const LAN_PREFIX = 24;
/** Of the machine that is no node. */
export const OUTSIDE_ADDRESS = '172.30.0.2';
export const API_PORT = 6443;
const FIRST_NODE = 11;
export const MAX_NODES = 200;

/** Names that become part of cgroups and files. */
export const LAB_NAME = /^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/;

/** Files of a lab, relative to its directory. */
export function labFiles(dir: string) {
  return {
    state: join(dir, 'lab.json'),
    socket: join(dir, 'lab.sock'),
    kubeconfig: join(dir, 'kubeconfig'),
    nodeKubeconfig: join(dir, 'node.kubeconfig'),
    log: join(dir, 'lab.log'),
    api: join(dir, 'api'),
    pods: join(dir, 'pods'),
    agentLog: (node: string) => join(dir, 'agents', `${node}.log`),
  } as const;
}

export const cgroupName = (lab: string): string => `canal-lab-${lab}`;
export const nodeName = (index: number): string => `node${index}`;
export const nodeAddress = (index: number): string => `172.30.0.${FIRST_NODE + index - 1}`;

/** The directory that holds package.json: of the sources and of what was built from them alike. */
export function packageRoot(): string {
  for (let dir = dirname(fileURLToPath(import.meta.url)); dir !== '/'; dir = dirname(dir)) {
    const file = join(dir, 'package.json');
    if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'canal') return dir;
  }
  throw new CanalError('INTERNAL', 'canal does not lie in its own package');
}

/** A file that the build makes; CanalError CONFIG when it has not. */
export function built(...path: string[]): string {
  const file = join(packageRoot(), 'build', ...path);
  if (!existsSync(file)) throw new CanalError('CONFIG', `${file} is missing: run make build`, { subject: file });
  return file;
}

export const labBinary = (): string => built('native', 'canal-lab');
export const cli = (): string => built('agent', 'cli', 'main.js');
