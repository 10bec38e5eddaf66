import { describe, expect, it } from 'vitest';
import { Cidr, IpAddress } from '../../../agent/base/address.js';
import type { EndpointRow } from '../../../agent/compile/desired.js';
import { entryJudges, placeJudges, prefixGroup, type PolicyLedgers } from '../../../agent/daemon/judges.js';
import type { TableKey } from '../../../agent/kernel/policy-tables.js';
import { Ledger } from '../../../agent/reconcile/ledger.js';
import type { RowChange } from '../../../agent/reconcile/relations.js';
import { FakeTable } from '../../support/fake-table.js';
import { Random, testSeed } from '../../support/random.js';

const CLASSES = 6;
const TABLES = 4;
const seed = testSeed();

const entryText = ({ table, classId }: TableKey): string => `${table}/${classId}`;

interface Kernel {
  readonly tables: FakeTable<TableKey, bigint>;
  readonly peers: FakeTable<IpAddress, bigint>;
  readonly cidrs: FakeTable<Cidr, bigint>;
  readonly endpoints: FakeTable<number, EndpointRow>;
}

const address = (random: Random): IpAddress => IpAddress.parse(`10.0.${random.int(0, 1)}.${random.int(0, 7)}`)!;
const prefix = (random: Random): Cidr => Cidr.of(address(random), random.pick([0, 8, 23, 24, 29, 31]));

function randomKernel(random: Random): Kernel {
  const tables = new FakeTable<TableKey, bigint>({ name: 'canal_table', keyText: entryText });
  const peers = new FakeTable<IpAddress, bigint>({ name: 'canal_peer', keyText: (key) => key.text });
  const cidrs = new FakeTable<Cidr, bigint>({ name: 'canal_cidr', keyText: (key) => key.text });
  const endpoints = new FakeTable<number, EndpointRow>({ name: 'canal_endpoint' });
  for (let table = 1n; table <= TABLES; table++) {
    tables.upsert([{ key: { table, classId: 0n }, row: BigInt(random.int(1, 2)) }]);
    for (let classId = 1n; classId < CLASSES; classId++) if (random.chance(0.4)) tables.upsert([{ key: { table, classId }, row: BigInt(random.int(1, 3)) }]);
  }
  for (let n = random.int(0, 6); n > 0; n--) peers.upsert([{ key: address(random), row: BigInt(random.int(0, CLASSES - 1)) }]);
  for (let n = random.int(0, 4); n > 0; n--) cidrs.upsert([{ key: prefix(random), row: BigInt(random.int(0, CLASSES - 1)) }]);
  for (let n = random.int(0, 2); n > 0; n--) {
    const row: EndpointRow = { ingressTable: BigInt(random.int(0, TABLES)), egressTable: BigInt(random.int(0, TABLES)), flags: 0, addr4: undefined, addr6: undefined, podMac: '', hostMac: '' };
    endpoints.upsert([{ key: random.int(1, 3), row }]);
  }
  return { tables, peers, cidrs, endpoints };
}

function books({ tables, peers, cidrs, endpoints }: Kernel): PolicyLedgers {
  const ledgers = {
    tables: new Ledger(tables, { group: (key) => key.classId }),
    peers: new Ledger(peers, { refers: (_key, classId) => [`class:${classId}`] }),
    cidrs: new Ledger(cidrs, { refers: (_key, classId) => [`class:${classId}`], group: prefixGroup }),
    endpoints: new Ledger(endpoints, { refers: (_key, row) => [`table:${row.ingressTable}`, `table:${row.egressTable}`] }),
  };
  for (const ledger of Object.values(ledgers)) ledger.refresh();
  return ledgers;
}

/** Every address that a row may name, and in each block one that only the shorter prefixes cover. */
const PROBES = [0, 1].flatMap((block) => [0, 1, 2, 3, 4, 5, 6, 7, 8, 200].map((last) => IpAddress.parse(`10.0.${block}.${last}`)!));

/** What each of them is told by every table in force. */
function told({ tables, peers, cidrs, endpoints }: Kernel): string {
  const inForce = [...new Set([...endpoints.rows.values()].flatMap(({ row }) => [row.ingressTable, row.egressTable]))].filter((table) => table !== 0n).sort();
  const nets = [...cidrs.rows.values()].sort((a, b) => b.key.length - a.key.length);
  const answers: string[] = [];
  for (const who of PROBES) {
    const classId = peers.rows.get(who.text)?.row ?? nets.find(({ key }) => key.contains(who))?.row ?? 0n;
    answers.push(inForce.map((table) => tables.rows.get(entryText({ table, classId }))?.row ?? tables.rows.get(entryText({ table, classId: 0n }))?.row).join());
  }
  return answers.join(' ');
}

describe('whether rows that change may change a verdict', () => {
  it('is never denied where somebody is told something else afterwards, and denied where no table in force has to do with it', () => {
    console.log(`seed ${seed}`);
    const random = new Random(seed);
    const seen = { judged: 0, told: 0 };
    for (let run = 0; run < 1500; run++) {
      const kernel = randomKernel(random);
      const ledgers = books(kernel);
      const before = told(kernel);
      const judged = change(random, kernel, ledgers);
      const other = told(kernel) !== before;
      if (other && !judged) expect.fail(`run ${run}: told otherwise, not judged`);
      if (kernel.endpoints.rows.size === 0) expect(judged).toBe(false);
      seen.judged += Number(judged);
      seen.told += Number(other);
    }
    expect(seen.told).toBeGreaterThan(100);
    expect(seen.judged).toBeLessThan(1.5 * seen.told); // some are judged whose addresses are hidden by others
  });
});

/** One row of one table becomes another. @returns what the judges say of it */
function change(random: Random, { tables, peers, cidrs }: Kernel, ledgers: PolicyLedgers): boolean {
  const classId = BigInt(random.int(0, CLASSES - 1));
  switch (random.int(0, 2)) {
    case 0: return one(random, tables, { table: BigInt(random.int(1, TABLES)), classId }, BigInt(random.int(1, 3)), classId !== 0n, (rows) => entryJudges(ledgers, rows));
    case 1: return one(random, peers, address(random), classId, true, (rows) => placeJudges(ledgers, rows));
    default: return one(random, cidrs, prefix(random), classId, true, (rows) => placeJudges(ledgers, rows));
  }
}

function one<Key>(random: Random, table: FakeTable<Key, bigint>, key: Key, value: bigint, removable: boolean, judges: (rows: RowChange<Key, bigint>[]) => boolean): boolean {
  const before = table.rows.get(table.keyText(key))?.row;
  const after = removable && before !== undefined && random.chance(0.5) ? undefined : value;
  if (before === after) return false;
  const judged = judges([{ key, before, after }]);
  if (after === undefined) table.remove([key]);
  else table.upsert([{ key, row: after }]);
  return judged;
}
