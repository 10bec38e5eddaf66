import { mkdirSync, readFileSync, statfsSync } from 'node:fs';
import type { Family } from '../base/address.js';
import { CanalError } from '../base/errors.js';
import type { Table } from '../reconcile/table.js';
import { attachCgroup, cgroupId, cgroupLink, cgroupPin, detachCgroup, socketHooks, type SocketHook } from './cgroup-attachment.js';
import { eachRow } from './each-row.js';
import type { WriteCounter } from './write-counter.js';

/** A hook of sockets; key is family and program. */
export interface SocketKey {
  readonly family: Family;
  readonly program: string;
}

export interface SocketRow {
  /** Inode of the cgroup's directory, by which the kernel knows it. */
  readonly cgroup: bigint;
  /** The program's name; of another version `name#id`. */
  readonly program: string;
}

export interface SocketOptions {
  readonly families: readonly Family[];
  /** The cgroup whose sockets, and those below, are translated; undefined: there is none, and nothing can be attached. */
  readonly cgroup: string | undefined;
  readonly program: (family: Family, name: string) => { readonly fd: number; readonly id: number };
  /** Directory in a bpffs for the links. */
  readonly linkDir: string;
  /** Called after programs were put: what older ones remembered moves to the maps of the new. */
  readonly carryOver?: () => void;
}

/** Programs at the socket hooks of the node's cgroup. Ours are those pinned in our directory. */
export class SocketTable implements Table<SocketKey, SocketRow> {
  readonly name = 'socket';

  constructor(
    private readonly options: SocketOptions,
    private readonly writes: WriteCounter,
  ) {
    mkdirSync(options.linkDir, { recursive: true, mode: 0o700 });
  }

  /** Every hook at the cgroup; empty where there is no cgroup. */
  wanted(): { readonly key: SocketKey; readonly row: SocketRow }[] {
    if (this.options.cgroup === undefined || !isCgroup2(this.options.cgroup)) return [];
    const cgroup = cgroupId(this.options.cgroup);
    return this.hooks().map(([key]) => ({ key, row: { cgroup, program: key.program } }));
  }

  list(): Map<string, { readonly key: SocketKey; readonly row: SocketRow }> {
    const rows = new Map<string, { readonly key: SocketKey; readonly row: SocketRow }>();
    for (const [key, hook] of this.hooks()) {
      const link = cgroupLink(this.pin(key.family, hook));
      if (link === undefined) continue;
      const current = this.options.program(key.family, key.program).id === link.progId;
      rows.set(this.keyText(key), { key, row: { cgroup: link.cgroupId, program: current ? key.program : `${key.program}#${link.progId}` } });
    }
    return rows;
  }

  keyText({ family, program }: SocketKey): string {
    return `${program} ${family}`;
  }

  equal(actual: SocketRow, desired: SocketRow): boolean {
    return actual.cgroup === desired.cgroup && actual.program === desired.program;
  }

  upsert(rows: readonly { readonly key: SocketKey; readonly row: SocketRow }[]): (Error | undefined)[] {
    const outcomes = eachRow(rows, ({ key, row }) => {
      const { cgroup } = this.options;
      const hook = this.hook(key);
      if (cgroup === undefined || hook === undefined) throw new CanalError('INTERNAL', 'no such hook', { subject: `${this.name} ${this.keyText(key)}` });
      const pin = this.pin(key.family, hook);
      // A link cannot move: what is pinned at another cgroup, or at one that is gone, makes room.
      const there = cgroupLink(pin);
      if (there !== undefined && there.cgroupId !== row.cgroup) detachCgroup(pin);
      attachCgroup(cgroup, hook, this.options.program(key.family, key.program).fd, pin);
      this.writes.add(this.name, 1);
    });
    this.options.carryOver?.();
    return outcomes;
  }

  remove(keys: readonly SocketKey[]): (Error | undefined)[] {
    return eachRow(keys, (key) => {
      const hook = this.hook(key);
      if (hook === undefined) return;
      detachCgroup(this.pin(key.family, hook));
      this.writes.add(this.name, 1);
    });
  }

  private hooks(): (readonly [SocketKey, SocketHook])[] {
    return this.options.families.flatMap((family) => socketHooks(family).map((hook) => [{ family, program: hook.program }, hook] as const));
  }

  private hook(key: SocketKey): SocketHook | undefined {
    return socketHooks(key.family).find((hook) => hook.program === key.program);
  }

  private pin(family: Family, hook: SocketHook): string {
    return cgroupPin(this.options.linkDir, family, hook);
  }
}

const CGROUP2_MAGIC = 0x63677270;

/**
 * Where the node's cgroup v2 is mounted, from /proc/self/mountinfo: of all that
 * can be reached the one highest in the tree. In a container that is the host's,
 * where it was mounted in, and not the container's own.
 */
export function findCgroup(mountinfo = readFileSync('/proc/self/mountinfo', 'utf8'), isCgroup = isCgroup2): string | undefined {
  const roots = new Map<string, number>();
  for (const line of mountinfo.split('\n')) {
    const [, , , root = '', path = ''] = line.split(' ');
    const type = line.split(' - ')[1]?.split(' ')[0];
    // A later mount hides an earlier one at the same place.
    if (type === 'cgroup2') roots.set(path, height(root));
  }
  const reachable = [...roots].filter(([path]) => isCgroup(path));
  return reachable.sort(([, a], [, b]) => b - a)[0]?.[0];
}

/** `/../..` is two above the root of our own cgroup namespace, `/a/b` two below. */
function height(root: string): number {
  const parts = root.split('/').filter((part) => part !== '');
  return parts.reduce((sum, part) => sum + (part === '..' ? 1 : -1), 0);
}

export function isCgroup2(path: string): boolean {
  try {
    return statfsSync(path).type === CGROUP2_MAGIC;
  } catch {
    return false; // hidden below another mount
  }
}
