import { mkdtempSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cidr, IpAddress, type Family } from '../../agent/base/address.js';
import { isFull } from '../../agent/base/errors.js';
import { BpfObject, mountBpffs } from '../../agent/kernel/bpf-object.js';
import { mapInfo, mapMemory, programInfo } from '../../agent/kernel/pins.js';
import { ConfigTable } from '../../agent/kernel/config-table.js';
import { endpointTable, localTable, nexthopTable, nomasqTable } from '../../agent/kernel/endpoint-tables.js';
import { checkMapLayouts, checkObjectLayouts } from '../../agent/kernel/layout-check.js';
import { nativeResult } from '../../agent/kernel/library.js';
import type { MapSource } from '../../agent/kernel/map-source.js';
import { cidrTable, decisionTable, peerTable, ruleTable } from '../../agent/kernel/policy-tables.js';
import { WriteCounter } from '../../agent/kernel/write-counter.js';
import { takeNamespace } from '../support/own-namespace.js';
import { run } from '../support/shell.js';
import { tableContract, tolerantTableContract } from './table-contract.js';

const ip = (text: string): IpAddress => IpAddress.parse(text)!;
const cidr = (text: string): Cidr => Cidr.parse(text)!;
const writes = new WriteCounter();
const objectPath = (family: Family): string => `build/bpf/canal${family}.o`;
let pinDir = '';
let source: MapSource;

beforeAll(async () => {
  await takeNamespace();
  mountBpffs('/sys/fs/bpf');
  pinDir = mkdtempSync('/sys/fs/bpf/map-tables-');
  source = load();
});

afterAll(() => {
  for (const object of source?.objects.values() ?? []) object.close();
  if (pinDir !== '') rmSync(pinDir, { recursive: true });
});

function load(mapSizes: Record<string, number> = { canal_local4: 4, canal_peer4: 131_072 }): MapSource {
  const object = (family: Family): [Family, BpfObject] => [family, BpfObject.load({ path: objectPath(family), pinDir, mapSizes: family === 4 ? mapSizes : {} })];
  return { objects: new Map([object(4), object(6)]), writes };
}

tolerantTableContract('canal_peer', () => ({
  table: peerTable(source),
  rows: [{ key: ip('10.0.0.1'), row: 1n }, { key: ip('fd00::1'), row: 2n ** 64n - 1n }, { key: ip('10.0.0.2'), row: 0n }],
  changed: { key: ip('10.0.0.1'), row: 9n },
}));

tolerantTableContract('canal_cidr', () => ({
  table: cidrTable(source),
  rows: [{ key: cidr('10.0.0.0/8'), row: 1n }, { key: cidr('fd00::/7'), row: 2n }, { key: cidr('0.0.0.0/0'), row: 0n }, { key: cidr('10.0.0.0/25'), row: 3n }],
  changed: { key: cidr('10.0.0.0/8'), row: 9n },
}));

tolerantTableContract('canal_table', () => ({
  table: decisionTable(source),
  rows: [{ key: { table: 1n, classId: 0n }, row: 1n }, { key: { table: 2n ** 63n, classId: 2n ** 64n - 1n }, row: 2n }, { key: { table: 1n, classId: 7n }, row: 3n }],
  changed: { key: { table: 1n, classId: 0n }, row: 5n },
}));

tolerantTableContract('canal_rule', () => {
  const row = { rule: 2n ** 64n - 2n, allow: true, log: false };
  return {
    table: ruleTable(source),
    rows: [
      { key: { rows: 1n, protocol: 6, port: 80, portBits: 16 }, row },
      { key: { rows: 1n, protocol: undefined, port: 0, portBits: 0 }, row: { ...row, allow: false } },
      { key: { rows: 1n, protocol: 6, port: 0, portBits: 0 }, row: { ...row, log: true } },
      { key: { rows: 2n ** 64n - 1n, protocol: 17, port: 0x8000, portBits: 1 }, row },
    ],
    changed: { key: { rows: 1n, protocol: 6, port: 80, portBits: 16 }, row: { ...row, allow: false, log: true } },
  };
});

tolerantTableContract('canal_endpoint', () => {
  const row = { ingressTable: 1n, egressTable: 0n, flags: 1, addr4: ip('10.0.0.1'), addr6: undefined, podMac: '02:00:00:00:00:01', hostMac: 'ee:ee:ee:ee:ee:ee' };
  return {
    table: endpointTable(source),
    rows: [{ key: 10, row }, { key: 11, row: { ...row, addr4: undefined, addr6: ip('fd00::1') } }, { key: 12, row: { ...row, ingressTable: 2n ** 64n - 1n } }],
    changed: { key: 10, row: { ...row, egressTable: 3n } },
  };
});

tableContract('canal_local', () => ({
  table: localTable(source),
  rows: ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', 'fd00::1'].map((text, i) => ({ key: ip(text), row: i })),
  changed: { key: ip('10.0.0.1'), row: 77 },
  refused: { key: ip('10.0.0.5'), row: 5 }, // it was loaded with room for four
}));

tolerantTableContract('canal_route', () => {
  const row = { kind: 'overlay' as const, ifindex: 3, gateway: ip('10.42.1.0'), vtepAddress: ip('192.0.2.1'), vtepMac: '02:00:00:00:00:09' };
  return {
    table: nexthopTable(source),
    rows: [
      { key: cidr('10.42.1.0/24'), row },
      { key: cidr('10.42.2.0/24'), row: { ...row, kind: 'direct' as const, ifindex: 0 } },
      { key: cidr('fd01::/64'), row: { ...row, gateway: ip('fd01::') } },
    ],
    changed: { key: cidr('10.42.1.0/24'), row: { ...row, vtepMac: '02:00:00:00:00:0a' } },
  };
});

describe('the maps', () => {
  const config = {
    fastLocal: true, fastOverlay: false, directVxlan: true, events: true, hostDeny: false, allowVxlan: false, allowIpip: false, allowSpoof: false, services: false,
    overlayIfindex: 5, uplinkIfindex: 2, vni: 1, vxlanPort: 8472, podMtu: 1450, vtepAddress: ip('192.0.2.9'), vtepMac: '02:00:00:00:00:01', logRate: 100,
    masquerade: true, edgePortMin: 1024, edgePortMax: 65535, nodeAddress4: ip('192.0.2.9'), nodeAddress6: undefined, overlayAddress4: ip('10.42.0.0'), overlayAddress6: undefined,
  };

  it('keep configuration and epoch apart', () => {
    const table = new ConfigTable(source);
    expect(table.list().size).toBe(0);
    table.write(4);
    expect(table.list().size).toBe(0);
    expect(table.upsert([{ key: 'config', row: config }])).toEqual([undefined]);
    table.write(6);
    expect(table.read()).toBe(6);
    const { row } = table.list().get('config')!;
    expect(table.equal(row, config)).toBe(true);
    expect(table.equal(row, { ...config, vtepAddress: undefined })).toBe(false);
    expect(table.equal(row, { ...config, overlayAddress4: ip('10.42.1.0') })).toBe(false);
    expect(table.remove(['config'])).toEqual([undefined]);
    expect(table.list().size).toBe(0);
    expect(table.read()).toBe(6);
  });

  it('hold prefixes whose rows say nothing', () => {
    const table = nomasqTable(source);
    const rows = ['10.42.0.0/16', '224.0.0.0/4', 'ff00::/8'].map((text) => ({ key: cidr(text), row: 0 as const }));
    expect(table.upsert(rows)).toEqual([undefined, undefined, undefined]);
    expect([...table.list().keys()].sort()).toEqual(rows.map(({ key }) => key.text).sort());
    expect(table.remove([rows[0]!.key])).toEqual([undefined]);
    expect(table.list().size).toBe(2);
  });

  it('say that they are full, for exactly the rows that did not fit', () => {
    const table = localTable(source);
    const rows = Array.from({ length: 6 }, (_, i) => ({ key: ip(`10.0.0.${i}`), row: i }));
    const outcomes = table.upsert(rows);
    expect(outcomes.map(isFull)).toEqual([false, false, false, false, true, true]);
    table.remove(rows.map((row) => row.key));
  });

  it('keep their rows and their programs when the same object is loaded again', () => {
    const rows = [{ key: ip('10.9.9.9'), row: 5n }];
    peerTable(source).upsert(rows);
    const before = source.objects.get(4)!.program('canal_from_pod').id;
    const again = load();
    expect([...again.objects.values()].map((object) => [object.replacedMaps, object.replacedPrograms])).toEqual([[[], 0], [[], 0]]);
    expect(peerTable(again).list().get('10.9.9.9')?.row).toBe(5n);
    expect(programInfo(again.objects.get(4)!.program('canal_from_pod').fd).id).toBe(before);
    for (const object of again.objects.values()) object.close();
    peerTable(source).remove([ip('10.9.9.9')]);
  });

  it('are replaced where their shape changed, and the loader says which', () => {
    const again = BpfObject.load({ path: objectPath(4), pinDir, mapSizes: { canal_local4: 8, canal_peer4: 131_072 } });
    expect(again.replacedMaps).toEqual(['canal_local4']);
    again.close();
  });

  it('bring what programs remember with them, and new programs that use it', () => {
    const before = BpfObject.load({ path: objectPath(4), pinDir, mapSizes: { canal_local4: 8, canal_peer4: 131_072, canal_affin4: 64 } });
    const key = Buffer.alloc(mapInfo(before.map('canal_affin4')).keySize, 7);
    const value = Buffer.alloc(mapInfo(before.map('canal_affin4')).valueSize, 9);
    expect(nativeResult('canal_map_update', before.map('canal_affin4'), key, value, 1, 0, Buffer.alloc(4))).toBe(0);
    const after = BpfObject.load({ path: objectPath(4), pinDir, mapSizes: { canal_local4: 8, canal_peer4: 131_072, canal_affin4: 128 } });
    expect(after.replacedMaps).toEqual(['canal_affin4']);
    // Its instructions are the same, its maps are not.
    expect(programInfo(after.program('canal_from_pod').fd).id).not.toBe(programInfo(before.program('canal_from_pod').fd).id);
    expect(after.carryOver.copy()).toEqual(new Map([['canal_affin4', 1]]));
    const found = Buffer.alloc(value.length);
    expect(nativeResult('canal_map_lookup', after.map('canal_affin4'), key, found)).toBe(0);
    expect(found).toEqual(value);
    expect(after.carryOver.copy()).toEqual(new Map([['canal_affin4', 0]])); // what is there already stays
    before.close();
    after.close();
  });

  it('are sized by who is told what is declared and what is pinned, and take memory as the kernel says', () => {
    const sizes = { canal_local4: 8, canal_peer4: 131_072, canal_affin4: 128 };
    const kept = BpfObject.load({ path: objectPath(4), pinDir, mapSizes: (maps) => Object.fromEntries(maps.filter(({ declared, pinnedEntries }) => declared.name in sizes && pinnedEntries !== undefined).map(({ declared, pinnedEntries }) => [declared.name, pinnedEntries!])) });
    expect(kept.stood).toBe(true);
    expect(Object.fromEntries(Object.keys(sizes).map((name) => [name, mapInfo(kept.map(name)).maxEntries]))).toEqual(sizes);
    expect(mapMemory(kept.map('canal_peer4'))).toBeGreaterThanOrEqual(16 * 131_072);
    kept.close();
  });

  it('have the layout that the codecs were generated for', () => {
    for (const family of [4, 6] as const) checkObjectLayouts(objectPath(family));
    checkMapLayouts('canal_rule', source.objects.get(4)!.map('canal_rule'));
    expect(run(`bpftool map dump pinned ${pinDir}/canal_config`)).toContain('"epoch"');
  });

  it('take and give 100,000 rows in well under a second, and give them beside the event loop', async () => {
    const table = peerTable(source);
    const rows = Array.from({ length: 100_000 }, (_, i) => ({ key: IpAddress.fromBytes(Uint8Array.of(10, i >> 16, (i >> 8) & 255, i & 255)), row: BigInt(i) }));
    const started = performance.now();
    expect(table.upsert(rows).every((outcome) => outcome === undefined)).toBe(true);
    const written = performance.now();
    expect(table.list().size).toBe(100_000);
    const listed = performance.now();
    const later = table.listLater();
    expect(table.remove([ip('10.0.0.7')])).toEqual([undefined]); // while a thread reads
    const read = new Map(Array.from(await later, ({ key, row }) => [key.text, row]));
    read.delete('10.0.0.7');
    expect(read).toEqual(new Map(rows.filter((_, i) => i !== 7).map(({ key, row }) => [key.text, row])));
    table.remove(rows.map((row) => row.key));
    expect(table.list().size).toBe(0);
    console.log(`100,000 rows: write ${Math.round(written - started)} ms, list ${Math.round(listed - written)} ms, remove ${Math.round(performance.now() - listed)} ms`);
    expect(listed - started).toBeLessThan(3000); // measured 300 ms; the machine may be busy
  });
});
