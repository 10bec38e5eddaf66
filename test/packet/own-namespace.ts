import { execFileSync } from 'node:child_process';

export interface Devices {
  readonly ifindexes: readonly number[];
  remove(): void;
}

/** `count` veth devices, whose ifindexes stand for pods' and overlay devices. */
export function makeDevices(prefix: string, count: number): Devices {
  requireOwnNamespace();
  const names = Array.from({ length: count }, (_, i) => `${prefix}${i}`);
  for (const name of names) execFileSync('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`]);
  return {
    ifindexes: names.map((name) => ipJson<{ ifindex: number }>('link', 'show', 'dev', name)[0]!.ifindex),
    remove: () => names.forEach((name) => execFileSync('ip', ['link', 'del', name])),
  };
}

// The namespace that test/run.sh makes leads nowhere; the machine's own has a default route.
function requireOwnNamespace(): void {
  if (ipJson('route', 'show', 'default').length > 0) throw new Error('run these tests through test/run.sh, in a network namespace of their own');
}

function ipJson<T>(...args: string[]): T[] {
  return JSON.parse(execFileSync('ip', ['-j', ...args], { encoding: 'utf8' }).trim() || '[]') as T[];
}
