import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../agent/base/address.js';
import { openKernel, type LinuxKernel } from '../../agent/daemon/kernel.js';
import { loadSettings } from '../../agent/daemon/settings/load.js';
import { mountBpffs } from '../../agent/kernel/bpf-object.js';
import { takeNamespace } from '../support/own-namespace.js';

const ROWS = 40_000;
let bpffs = '';
let kernel: LinuxKernel | undefined;

beforeAll(async () => {
  await takeNamespace();
  mountBpffs('/sys/fs/bpf');
});
beforeEach(() => {
  bpffs = mkdtempSync('/sys/fs/bpf/growth-');
});
afterEach(() => {
  kernel?.close();
  kernel = undefined;
  rmSync(bpffs, { recursive: true });
});
afterAll(() => expect(readdirSync('/sys/fs/bpf').filter((name) => name.startsWith('growth-'))).toEqual([]));

/** As a node's agent does at its start; the one before has ended. */
function open(): LinuxKernel {
  kernel?.close();
  const { settings } = loadSettings({ 'node-name': 'here', services: 'off' }, {}, undefined);
  kernel = openKernel({ settings: { ...settings, bpffs }, networks: [Cidr.parse('10.0.0.0/8')!], sysctls: () => [], log: pino({ level: 'silent' }), memory: 2 ** 30 });
  return kernel;
}

const peer = (i: number): { key: IpAddress; row: bigint } => ({ key: IpAddress.fromBytes(Uint8Array.of(10, i >> 16, (i >> 8) & 255, i & 255)), row: BigInt(i + 1) });
const peers = Array.from({ length: ROWS }, (_, i) => peer(i));
const failures = (outcomes: readonly (Error | undefined)[]): Error[] => outcomes.filter((error) => error !== undefined);

describe('a node where nothing is pinned', () => {
  it('has no maps, no rows and no counts before it is known what they are to hold, and takes none', () => {
    const fresh = open();
    expect([fresh.tables.peers.list().size, fresh.maps.capacities.size, fresh.maps.drops().size, fresh.maps.memory().size, fresh.ring.drain()]).toEqual([0, 0, 0, 0, []]);
    expect(fresh.epoch.read()).toBe(0);
    expect(() => fresh.tables.peers.upsert([peer(1)])).toThrow('map is not loaded');
    expect(readdirSync(`${bpffs}/canal`).filter((name) => name.startsWith('canal_'))).toEqual([]);
  });

  it('gets maps with room for all that is wanted, and half as much again; those that hold little stay small', () => {
    const fresh = open();
    fresh.load(new Map([['canal_peer', ROWS], ['canal_cidr', 1]]));
    const { capacities } = fresh.maps;
    expect(capacities.get('canal_peer4')).toBe(65_536);
    const small = capacities.get('canal_cidr4')!;
    expect(failures(fresh.tables.peers.upsert(peers))).toEqual([]);
    expect(fresh.tables.peers.list().size).toBe(ROWS);
    open().load(new Map([['canal_cidr', 10 * small]]));
    expect(kernel!.maps.capacities.get('canal_cidr4'), 'of a map that is there').toBe(small);
  });
});

describe('the agent after it', () => {
  it('has what it left at once, however little it wants itself, and loses no row', () => {
    open().load(new Map([['canal_peer', ROWS]]));
    expect(failures(kernel!.tables.peers.upsert(peers))).toEqual([]);
    const next = open();
    expect(next.maps.capacities.get('canal_peer4')).toBe(65_536);
    next.load(new Map([['canal_peer', 3]]));
    expect(next.maps.capacities.get('canal_peer4')).toBe(65_536);
    expect([...next.tables.peers.list().values()].map(({ row }) => row).sort((a, b) => Number(a - b))).toEqual(peers.map(({ row }) => row));
  });
});
