import { readFileSync, writeFileSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { CanalError } from '../base/errors.js';
import type { Table } from '../reconcile/table.js';
import { eachRow } from './each-row.js';
import { procSys } from './proc-sys.js';
import type { WriteCounter } from './write-counter.js';

/**
 * Settings below /proc/sys, by path (`net/ipv4/conf/cali0/proxy_arp`). A
 * setting cannot be removed, only left alone: `remove` does nothing.
 */
export class SysctlTable implements Table<string, string> {
  readonly name = 'sysctl';

  /** @param ours paths that we keep; those that do not exist (a device that is gone, no IPv6) are not listed */
  constructor(
    private readonly ours: () => readonly string[],
    private readonly writes: WriteCounter,
  ) {}

  list(): Map<string, { readonly key: string; readonly row: string }> {
    const rows = new Map<string, { readonly key: string; readonly row: string }>();
    for (const key of this.ours()) {
      const row = read(key);
      if (row !== undefined) rows.set(key, { key, row });
    }
    return rows;
  }

  keyText(key: string): string {
    return key;
  }

  equal(actual: string, desired: string): boolean {
    return actual === desired;
  }

  upsert(rows: readonly { readonly key: string; readonly row: string }[]): (Error | undefined)[] {
    return eachRow(rows, ({ key, row }) => {
      if (read(key) === row) return;
      try {
        writeFileSync(procSys(key), row);
      } catch (cause) {
        throw failure('write', key, cause);
      }
      this.writes.add(this.name, 1);
    });
  }

  remove(keys: readonly string[]): (Error | undefined)[] {
    return keys.map(() => undefined);
  }
}

function read(key: string): string | undefined {
  try {
    return readFileSync(procSys(key), 'utf8').trim();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw failure('read', key, cause);
  }
}

function failure(verb: string, key: string, cause: unknown): CanalError {
  const errno = Math.abs((cause as NodeJS.ErrnoException).errno ?? 5);
  return new CanalError('KERNEL', `${verb} sysctl: ${getSystemErrorName(-errno)}`, { subject: `sysctl ${key}`, errno, cause });
}
