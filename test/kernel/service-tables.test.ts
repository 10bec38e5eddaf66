import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../agent/base/address.js';
import { BpfObject, mountBpffs } from '../../agent/kernel/bpf-object.js';
import { cgroupId } from '../../agent/kernel/cgroup-attachment.js';
import type { MapSource } from '../../agent/kernel/map-source.js';
import { backTable, frontTable, liveTable, rangeTable } from '../../agent/kernel/service-tables.js';
import { findCgroup, SocketTable, type SocketKey, type SocketRow } from '../../agent/kernel/socket-table.js';
import { WriteCounter } from '../../agent/kernel/write-counter.js';
import { takeNamespace } from '../support/own-namespace.js';
import { tolerantTableContract } from './table-contract.js';

const ip = (text: string): IpAddress => IpAddress.parse(text)!;
const writes = new WriteCounter();
let pinDir = '';
let cgroup = '';
let source: MapSource;

beforeAll(async () => {
  await takeNamespace();
  mountBpffs('/sys/fs/bpf');
  pinDir = mkdtempSync('/sys/fs/bpf/service-tables-');
  source = load();
  cgroup = join(findCgroup()!, `canal-test-services-${process.pid}`);
  for (const name of ['', 'one', 'two']) mkdirSync(join(cgroup, name));
});

afterAll(() => {
  for (const object of source?.objects.values() ?? []) object.close();
  if (pinDir !== '') rmSync(pinDir, { recursive: true });
  if (cgroup !== '') for (const name of ['one', 'two', '']) rmdirSync(join(cgroup, name));
});

function load(): MapSource {
  return { objects: new Map(([4, 6] as const).map((family) => [family, BpfObject.load({ path: `build/bpf/canal${family}.o`, pinDir })])), writes };
}

const front = (address: string, port: number, scope: 'inside' | 'outside' = 'inside') => ({ address: ip(address), port, protocol: 6, scope });

tolerantTableContract('canal_front', () => ({
  table: frontTable(source),
  rows: [
    { key: front('10.96.0.1', 80), row: { service: 2n ** 64n - 1n, backends: 5000, affinityS: 10_800, dropEmpty: false, sourceRanges: false, hashed: false, nodeApart: false } },
    { key: front('10.96.0.1', 65_535), row: { service: 1n, backends: 0, affinityS: 0, dropEmpty: true, sourceRanges: true, hashed: true, nodeApart: true } },
    { key: front('10.96.0.1', 80, 'outside'), row: { service: 1n, backends: 1, affinityS: 0, dropEmpty: false, sourceRanges: false, hashed: false, nodeApart: false } },
    { key: front('fd00::1', 80), row: { service: 1n, backends: 1, affinityS: 0, dropEmpty: false, sourceRanges: false, hashed: false, nodeApart: false } },
  ],
  changed: { key: front('10.96.0.1', 80), row: { service: 7n, backends: 0, affinityS: 0, dropEmpty: false, sourceRanges: false, hashed: false, nodeApart: false } },
}));

it('canal_range keeps rows of both families, by set and prefix', () => {
  const table = rangeTable(source);
  const rows = ['192.0.2.0/24', '0.0.0.0/0', 'fd00::/8', '::/0'].map((text, i) => ({ key: { service: 2n ** 64n - BigInt(i + 1), cidr: Cidr.parse(text)! }, row: 0 as const }));
  expect(table.upsert(rows)).toEqual(rows.map(() => undefined));
  expect([...table.list().keys()].sort()).toEqual(rows.map(({ key }) => table.keyText(key)).sort());
  expect(table.remove(rows.map(({ key }) => key))).toEqual(rows.map(() => undefined));
  expect(table.list().size).toBe(0);
});

tolerantTableContract('canal_back', () => ({
  table: backTable(source),
  rows: [
    { key: { family: 4, service: 1n, slot: 0 }, row: { address: ip('10.42.0.1'), port: 8080 } },
    { key: { family: 6, service: 1n, slot: 0 }, row: { address: ip('fd00::1'), port: 8080 } },
    { key: { family: 4, service: 2n ** 64n - 1n, slot: 4999 }, row: { address: ip('10.42.0.1'), port: 65_535 } },
  ],
  changed: { key: { family: 4, service: 1n, slot: 0 }, row: { address: ip('10.42.0.2'), port: 1 } },
}));

it('canal_live lists what was written and not removed; its rows say nothing', () => {
  const table = liveTable(source);
  const rows = ['10.42.0.1', '10.42.0.2', 'fd00::1'].map((text) => ({ key: { service: 2n ** 64n - 1n, backend: { address: ip(text), port: 65_535 } }, row: 0 as const }));
  expect([...table.upsert(rows), ...table.upsert(rows)].filter((error) => error !== undefined)).toEqual([]);
  expect([...table.list().keys()].sort()).toEqual(rows.map(({ key }) => table.keyText(key)).sort());
  expect([...table.remove([rows[0]!.key, rows[2]!.key]), ...table.remove([rows[0]!.key])].filter((error) => error !== undefined)).toEqual([]);
  expect([...table.list().keys()]).toEqual([table.keyText(rows[1]!.key)]);
});

const socketTable = (name: string): SocketTable =>
  new SocketTable({ families: [4], cgroup: join(cgroup, name), program: (family, program) => source.objects.get(family)!.program(program), linkDir: join(pinDir, 'sockets') }, writes);

describe('programs at sockets', () => {
  const rowsOf = (table: SocketTable): { key: SocketKey; row: SocketRow }[] => [...table.list().values()];
  const failures = (outcomes: readonly (Error | undefined)[]): Error[] => outcomes.filter((one) => one !== undefined);

  it('are at every hook of the cgroup, stay when the descriptors go, and are known again', () => {
    const table = socketTable('one');
    expect(rowsOf(table)).toEqual([]);
    expect(failures(table.upsert(table.wanted()))).toEqual([]);
    expect(rowsOf(table)).toEqual(table.wanted());
    for (const object of source.objects.values()) object.close();
    source = load();
    const again = socketTable('one');
    expect(rowsOf(again)).toEqual(again.wanted());
  });

  it('move to another cgroup when that is asked for', () => {
    const table = socketTable('two');
    expect(rowsOf(table).every(({ row }) => row.cgroup === cgroupId(join(cgroup, 'one')))).toBe(true);
    expect(failures(table.upsert(table.wanted()))).toEqual([]);
    expect(rowsOf(table)).toEqual(table.wanted());
  });

  it('go, also twice', () => {
    const table = socketTable('two');
    const keys = table.wanted().map(({ key }) => key);
    expect(failures([...table.remove(keys), ...table.remove(keys)])).toEqual([]);
    expect(rowsOf(table)).toEqual([]);
  });

  it('are wanted nowhere where the cgroup is gone', () => {
    expect(socketTable('three').wanted()).toEqual([]);
  });
});
