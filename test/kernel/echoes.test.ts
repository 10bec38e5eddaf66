import { mkdtempSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../agent/base/address.js';
import { KernelWatch } from '../../agent/daemon/kernel-watch.js';
import type { NodeKernel } from '../../agent/daemon/node-kernel.js';
import { rowNews } from '../../agent/daemon/told-rows.js';
import { AttachmentTable, hasTcx } from '../../agent/kernel/attachment-table.js';
import { BpfObject, mountBpffs } from '../../agent/kernel/bpf-object.js';
import { DeviceBook } from '../../agent/kernel/device-book.js';
import { FdbTable } from '../../agent/kernel/fdb-table.js';
import { ChangeMonitor } from '../../agent/kernel/monitor.js';
import { NeighbourTable } from '../../agent/kernel/neighbour-table.js';
import { findLink, IFF_UP } from '../../agent/kernel/netlink.js';
import { RouteTable } from '../../agent/kernel/route-table.js';
import { WriteCounter } from '../../agent/kernel/write-counter.js';
import { Ledger } from '../../agent/reconcile/ledger.js';
import type { TableName } from '../../agent/reconcile/order.js';
import { Reconciler } from '../../agent/reconcile/reconciler.js';
import type { Table } from '../../agent/reconcile/table.js';
import { ManualClock } from '../support/manual-clock.js';
import { takeNamespace } from '../support/own-namespace.js';
import { run, runQuietly } from '../support/shell.js';

const ip = (text: string): IpAddress => IpAddress.parse(text)!;
const cidr = (text: string): Cidr => Cidr.parse(text)!;
const writes = new WriteCounter();
let pinDir = '';
let object: BpfObject;
let monitor: ChangeMonitor;

beforeAll(async () => {
  await takeNamespace();
  mountBpffs('/sys/fs/bpf');
  pinDir = mkdtempSync('/sys/fs/bpf/echoes-');
  object = BpfObject.load({ path: 'build/bpf/canal4.o', pinDir });
  monitor = new ChangeMonitor();
  for (const line of ['link add ec-up type veth peer name ec-far', 'addr add 192.0.2.1/24 dev ec-up', 'link set ec-up up', 'link set ec-far up', 'link add cali-ec type veth peer name ec-pod', 'link set cali-ec addrgenmode none', 'link set cali-ec up',
    'link add flannel.9200 type vxlan id 9200 dstport 9200 dev ec-up local 192.0.2.1', 'addr add 10.42.0.0/32 dev flannel.9200', 'link set flannel.9200 up']) run(`ip ${line}`);
});

afterAll(() => {
  for (const name of ['flannel.9200', 'cali-ec', 'ec-up']) runQuietly(`ip link del ${name}`);
  monitor?.close();
  object?.close();
  if (pinDir !== '') rmSync(pinDir, { recursive: true });
});

/** Counts how often a table is listed. */
function counted<Key, Row, T extends Table<Key, Row>>(table: T, lists: string[]): T {
  const [list, listOn] = [table.list.bind(table), table.listOn?.bind(table)];
  table.list = () => (lists.push(`${table.name}, all`), list());
  if (listOn !== undefined) table.listOn = (devices) => (lists.push(table.name), listOn(devices));
  return table;
}

/** Ledgers of real tables, kept up by notices, as the agent does it. */
class Books {
  readonly lists: string[] = [];
  readonly book = new DeviceBook(() => monitor.drain());
  readonly overlay = findLink('flannel.9200')!.ifindex;
  readonly pod = findLink('cali-ec')!.ifindex;
  readonly tables = {
    fdb: counted(new FdbTable(writes, this.book), this.lists),
    neighbours: counted(new NeighbourTable([4], writes, this.book), this.lists),
    routes: counted(new RouteTable({ networks: () => [cidr('10.42.0.0/16')], families: [4], devices: /^(flannel\.\d+|cali.*)$/ }, writes, this.book), this.lists),
    attachments: counted(new AttachmentTable({ programs: ['canal_from_pod', 'canal_to_pod'], program: (name) => object.program(name), linkDir: `${pinDir}/links`, tcx: () => false, tcxLater: hasTcx }, writes, this.book), this.lists),
  };
  readonly fdb = new Ledger(this.tables.fdb);
  readonly neighbours = new Ledger(this.tables.neighbours);
  readonly routes = new Ledger(this.tables.routes);
  readonly attachments = new Ledger(this.tables.attachments);
  readonly reconciler = new Reconciler([this.fdb, this.neighbours, this.routes, this.attachments], { read: () => 2, write: () => undefined }, () => 0);
  readonly watch: KernelWatch;

  constructor() {
    const kernel = {
      notices: () => {
        const { changes, told } = this.book.notices();
        return { changes, ...rowNews(this.tables, told) };
      },
      devices: () => this.book.links().map(({ ifindex, name, mtu, kind, mac, flags }) => ({ ifindex, name, mtu, up: (flags & IFF_UP) !== 0, kind, mac: String(mac) })),
      addresses: () => [], families: new Set([4]), relist: () => this.book.forget(), unnoticed: () => new Map(), made: (ifindex: number) => this.tables.attachments.made(ifindex),
    } as unknown as NodeKernel;
    this.watch = new KernelWatch({ kernel, clock: new ManualClock(), podPrefix: 'cali', invalidate: (tables, devices) => this.reconciler.invalidate(tables, devices), tell: (table, told) => this.reconciler.tell(table, told), compare: () => undefined });
    this.watch.look();
    this.watch.see();
  }

  /** Writes what is wanted. */
  apply(only?: readonly TableName[]): ReadonlyMap<string, number> {
    const { writes: done, troubles } = this.reconciler.apply(only === undefined ? {} : { only });
    expect(troubles).toEqual([]);
    return done;
  }

  /** What the notices since the last look are about, and which tables an apply of that would list. */
  look(): { touched: string[]; listed: string[] } {
    const touched = this.watch.look();
    this.lists.length = 0;
    for (const ledger of [this.fdb, this.neighbours, this.routes, this.attachments]) ledger.refresh();
    return { touched: [...touched].sort(), listed: [...new Set(this.lists.map((each) => each.split(',')[0]!))].sort() };
  }

  /** A peer through the overlay, a peer reached directly, and a pod. */
  wantAll(n: number): void {
    const { overlay: ifindex, pod } = this;
    const mac = `02:00:00:00:01:0${n}`;
    const base = { onlink: true, scope: 'universe', type: 'unicast', metric: 0, protocol: 3 } as const;
    const put = <K, R>(ledger: Ledger<K, R>, key: K, row: R): void => ledger.patch([{ key, row }], []);
    put(this.fdb, { ifindex, mac }, { ifindex, mac, destination: ip(`192.0.2.${n}`) });
    put(this.neighbours, { ifindex, address: ip(`10.42.${n}.0`) }, { ifindex, address: ip(`10.42.${n}.0`), mac });
    for (const row of [
      { ...base, destination: cidr(`10.42.${n}.0/24`), ifindex, gateway: ip(`10.42.${n}.0`) },
      { ...base, destination: cidr(`10.42.10${n}.0/24`), ifindex: 0, gateway: ip(`192.0.2.${n}`), onlink: false },
      { ...base, destination: cidr(`10.42.0.${n}/32`), ifindex: pod, gateway: undefined, onlink: false, scope: 'link' as const },
    ]) put(this.routes, row, row);
    for (const [egress, program] of [[false, 'canal_from_pod'], [true, 'canal_to_pod']] as const) put(this.attachments, { ifindex: pod, egress }, { ifindex: pod, device: 'cali-ec', egress, program });
  }

  wantNone(): void {
    for (const ledger of [this.fdb, this.neighbours, this.routes, this.attachments]) ledger.want([]);
  }
}

const NOTHING = { touched: [], listed: [] };

describe('what comes back of our own writes', () => {
  let books: Books;

  beforeEach(() => {
    books = new Books();
    books.apply();
    books.look();
  });

  it('is worth no look: rows that are written, changed and removed', () => {
    books.wantAll(2);
    expect([...books.apply()].sort()).toEqual([['attachment', 2], ['fdb', 1], ['neighbour', 1], ['route', 3]]);
    expect(books.look()).toEqual(NOTHING);
    const { overlay: ifindex } = books;
    books.fdb.patch([{ key: { ifindex, mac: '02:00:00:00:01:02' }, row: { ifindex, mac: '02:00:00:00:01:02', destination: ip('192.0.2.77') } }], []);
    books.neighbours.patch([{ key: { ifindex, address: ip('10.42.2.0') }, row: { ifindex, address: ip('10.42.2.0'), mac: '02:00:00:00:01:09' } }], []);
    expect([...books.apply()].sort()).toEqual([['fdb', 1], ['neighbour', 1]]);
    expect(books.look()).toEqual(NOTHING);
    books.wantNone();
    expect([...books.apply()].sort()).toEqual([['attachment', 2], ['fdb', 1], ['neighbour', 1], ['route', 3]]);
    expect(books.lists, 'a removal looks nothing up').toEqual([]);
    expect(books.look()).toEqual(NOTHING);
    expect(books.watch.moved, 'routes of ours decide about no uplink').toBe(false);
    expect(run('ip route show dev flannel.9200')).toBe('');
  });

  it('is worth no look where we have just made a device, on which what others do meanwhile is told', () => {
    run('ip link add cali-ec2 type veth peer name cali-ec3');
    const { ifindex } = findLink('cali-ec2')!;
    books.watch.doubt();
    for (const name of ['cali-ec2', 'cali-ec3']) books.watch.made(findLink(name)!.ifindex);
    run('ip link set cali-ec2 alias pod');
    expect(books.look()).toEqual({ touched: [], listed: [] });
    expect(books.watch.see().facts.devices.map(({ name }) => name)).toContain('cali-ec2');
    books.wantAll(2);
    for (const [egress, program] of [[false, 'canal_from_pod'], [true, 'canal_to_pod']] as const) books.attachments.patch([{ key: { ifindex, egress }, row: { ifindex, device: 'cali-ec2', egress, program } }], []);
    expect(books.apply().get('attachment')).toBe(4);
    expect(books.look()).toEqual(NOTHING);
    run('tc filter del dev cali-ec2 ingress');
    expect(books.look().touched).toEqual(['attachment']);
    books.apply();
    run('ip link set cali-ec2 address 02:00:00:00:00:77');
    expect(books.look().touched, 'only what it said until then was of our making').toEqual(['attachment', 'route']);
    run('ip link del cali-ec2');
    expect(books.look().touched).toEqual(['attachment', 'route']);
    books.wantNone();
    books.apply();
    books.look();
  });

  it('is worth no look where we have brought a device up with its route, until something else happens to either', () => {
    const { pod } = books;
    run('ip link set cali-ec down');
    books.look();
    books.watch.see();
    const up = (): void => {
      run('ip link set cali-ec up');
      run('ip route add 10.42.0.9/32 dev cali-ec metric 7');
      books.watch.raised(pod, ({ text, row }) => row !== undefined && text === '10.42.0.9/32 metric 7');
    };
    up();
    expect(books.watch.hears()).toBe(false);
    expect(books.watch.look()).toEqual([]);
    expect(books.watch.moved, 'the next apply takes note of it').toBe(true);
    books.watch.see();
    for (const other of ['ip route add 10.42.0.10/32 dev cali-ec', 'ip route del 10.42.0.9/32 dev cali-ec', 'ip link set cali-ec down', 'ip link set cali-ec mtu 1400', 'ip link set lo down', 'ip route add 192.0.2.128/25 dev ec-up']) {
      run('ip link set cali-ec down');
      runQuietly('ip link set cali-ec mtu 1500');
      books.look();
      up();
      expect(books.watch.hears()).toBe(false);
      run(other);
      expect(books.watch.hears(), other).toBe(true);
      books.look();
    }
    run('ip link set lo up');
    run('ip link set cali-ec up');
    run('ip route del 192.0.2.128/25 dev ec-up');
    books.apply();
    books.look();
  });

  it('is worth no look where a device says what it said before', () => {
    run('ip link set cali-ec txqueuelen 77');
    run('ip link set flannel.9200 alias canal');
    run('ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev ec-up');
    expect(books.look()).toEqual(NOTHING);
  });
});

describe('what somebody else does', () => {
  let books: Books;

  beforeEach(() => {
    books = new Books();
    books.wantAll(3);
    books.apply();
    books.look();
  });

  it.each([
    ['an FDB entry that goes', 'bridge fdb del 02:00:00:00:01:03 dev flannel.9200', 'fdb'],
    ['an FDB entry that leads elsewhere', 'bridge fdb replace 02:00:00:00:01:03 dev flannel.9200 dst 192.0.2.66', 'fdb'],
    ['an FDB entry more', 'bridge fdb add 02:00:00:00:01:55 dev flannel.9200 dst 192.0.2.66', 'fdb'],
    ['a neighbour that goes', 'ip neigh del 10.42.3.0 dev flannel.9200', 'neighbour'],
    ['a neighbour with another MAC', 'ip neigh replace 10.42.3.0 lladdr 02:00:00:00:01:66 dev flannel.9200 nud permanent', 'neighbour'],
    ['a neighbour that may expire', 'ip neigh replace 10.42.3.0 lladdr 02:00:00:00:01:03 dev flannel.9200 nud reachable', 'neighbour'],
    ['a route that goes', 'ip route del 10.42.3.0/24 dev flannel.9200', 'route'],
    ['a route that another device takes over', 'ip route replace 10.42.3.0/24 dev lo', 'route'],
    ['a direct route that goes', 'ip route del 10.42.103.0/24', 'route'],
    ["a pod's route that goes", 'ip route del 10.42.0.3/32 dev cali-ec', 'route'],
    ['a route more', 'ip route add 10.42.99.0/24 via 10.42.3.0 dev flannel.9200 onlink', 'route'],
    ['a program that goes', 'tc filter del dev cali-ec ingress', 'attachment'],
    ['all programs that go', 'tc filter del dev cali-ec egress', 'attachment'],
    ['a qdisc that goes', 'tc qdisc del dev cali-ec clsact', 'attachment'],
  ])('is worth a look at that table alone, and is mended: %s', (what, command, table) => {
    run(command);
    const { touched, listed } = books.look();
    expect(touched).toEqual([table]);
    // One more is known from what is told of it; what is other than was known is asked for.
    expect(listed).toEqual(what.endsWith(' more') ? [] : [table]);
    books.apply(touched as TableName[]);
    expect(books.look()).toEqual(NOTHING);
    const fresh = new Books();
    fresh.wantAll(3);
    expect([...fresh.apply()], 'all is as it should be').toEqual([]);
    if (command.includes('dev lo')) runQuietly('ip route del 10.42.3.0/24 dev lo');
  });

  it('is worth no look where a program moved to its quicker hook, as long as it is there', async () => {
    while (await books.tables.attachments.upgradeNext(0)); // devices of other tests, gone since, are passed over
    expect(books.look()).toEqual(NOTHING);
    expect(run('tc filter show dev cali-ec ingress').includes('canal_from_pod')).toBe(!hasTcx());
    run('tc qdisc del dev cali-ec clsact');
    expect(books.look()).toEqual({ touched: ['attachment'], listed: ['attachment'] });
    expect(books.apply(['attachment']).get('attachment'), 'what was not moved').toBe(hasTcx() ? 1 : 2);
    expect(books.look()).toEqual(NOTHING);
    books.wantNone();
    books.apply();
  });

  it('is seen where a device was down and is up again, though it says what it said before', () => {
    run('ip link set flannel.9200 down');
    run('ip link set flannel.9200 up');
    expect(books.look().touched).toContain('route');
    expect(books.apply().get('route')).toBe(1);
    run('ip link set flannel.9200 arp off');
    run('ip link set flannel.9200 arp on');
    expect(books.look().touched).toContain('neighbour');
    books.apply();
  });

  it('where a device goes up is news for compile, and worth no look', () => {
    books.wantNone();
    books.apply();
    run('ip link set cali-ec down');
    expect(books.look().touched).toContain('route');
    books.watch.see();
    run('ip link set cali-ec up');
    expect(books.look()).toEqual(NOTHING);
    expect(books.watch.moved).toBe(true);
  });

  it('to what lies on our devices in a family whose programs are not loaded is left alone', () => {
    run('ip -6 route add fd42:0:0:9::/64 dev cali-ec');
    expect(books.look()).toEqual(NOTHING);
    run('ip -6 route del fd42:0:0:9::/64 dev cali-ec');
    expect(books.look()).toEqual(NOTHING);
  });

  it('to routes that are not ours may decide which uplink there is', () => {
    run('ip route add default via 192.0.2.9');
    expect(books.look()).toEqual(NOTHING);
    expect(books.watch.moved).toBe(true);
    run('ip route del default');
  });

  it('are not asked for while rows are told, and none is lost by that', () => {
    const book = new DeviceBook(() => monitor.drain());
    const before = book.links();
    book.still(() => {
      run('ip link set cali-ec mtu 1400');
      expect(book.links()).toBe(before);
    });
    expect(book.links().find(({ name }) => name === 'cali-ec')!.mtu).toBe(1400);
    expect(() => book.still(() => { throw new Error('within'); })).toThrow('within');
    run('ip link set cali-ec mtu 1500');
    expect(book.links().find(({ name }) => name === 'cali-ec')!.mtu).toBe(1500);
  });
});
