import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterEach, expect, test } from 'vitest';
import { procSys } from '../../../agent/kernel/proc-sys.js';
import { SysctlTable } from '../../../agent/kernel/sysctl-table.js';
import { WriteCounter } from '../../../agent/kernel/write-counter.js';

const before = process.env['CANAL_PROC_SYS'];
const made: string[] = [];

afterEach(() => {
  if (before === undefined) delete process.env['CANAL_PROC_SYS'];
  else process.env['CANAL_PROC_SYS'] = before;
  for (const path of made.splice(0)) rmSync(path, { recursive: true });
});

test('settings are below /proc/sys where nothing else is said', () => {
  delete process.env['CANAL_PROC_SYS'];
  expect(procSys('net/ipv4/ip_forward')).toBe('/proc/sys/net/ipv4/ip_forward');
  process.env['CANAL_PROC_SYS'] = '';
  expect(procSys('net/ipv4/ip_forward')).toBe('/proc/sys/net/ipv4/ip_forward');
});

test('a container reads and writes settings where CANAL_PROC_SYS says', () => {
  const root = mkdtempSync(join(tmpdir(), 'canal-proc-sys-'));
  made.push(root);
  mkdirSync(join(root, 'net/ipv4'), { recursive: true });
  writeFileSync(join(root, 'net/ipv4/ip_forward'), '0\n');
  process.env['CANAL_PROC_SYS'] = root;
  const key = 'net/ipv4/ip_forward';
  const table = new SysctlTable(() => [key], new WriteCounter());
  expect(table.list().get(key)?.row).toBe('0');
  expect(table.upsert([{ key, row: '1' }])).toEqual([undefined]);
  expect(readFileSync(join(root, key), 'utf8')).toBe('1');
});
