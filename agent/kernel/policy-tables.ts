import { Cidr, IpAddress } from '../base/address.js';
import type { RuleRow, Verdict } from '../compile/desired.js';
import { CanalAction, canalRuleKeyCodec, canalTableKeyCodec, canalVerdictCodec, type Addr4, type CanalCidrKey4, type CanalRuleKey, type CanalTableKey, type CanalVerdict } from './abi.generated.js';
import { u64Codec } from './codec.js';
import { addrCodec, cidrKeyCodec, familyMaps, shared, sharedMap, type MapSource } from './map-source.js';
import { MapTable } from './map-table.js';

/** canal_peer4/6: address -> class id (0n: in no class). */
export type PeerTable = MapTable<IpAddress, bigint, Addr4, bigint>;

export function peerTable(source: MapSource): PeerTable {
  return new MapTable(
    {
      name: 'canal_peer',
      keyText: (key) => key.text,
      equal: (a, b) => a === b,
      familyOf: (key) => key.family,
      encodeKey: (key) => ({ word: key.bytes }),
      encodeRow: (row) => row,
      decodeKey: (key) => IpAddress.fromBytes(key.word),
      decodeRow: (value) => value,
    },
    familyMaps(source, 'canal_peer', addrCodec, () => u64Codec),
  );
}

/** canal_cidr4/6: prefix -> class id. */
export type CidrTable = MapTable<Cidr, bigint, CanalCidrKey4, bigint>;

export function cidrTable(source: MapSource): CidrTable {
  return new MapTable(
    {
      name: 'canal_cidr',
      ...cidrKeys,
      equal: (a, b) => a === b,
      encodeRow: (row) => row,
      decodeRow: (value) => value,
    },
    familyMaps(source, 'canal_cidr', cidrKeyCodec, () => u64Codec),
  );
}

/** The key part of tables whose key is a prefix. */
export const cidrKeys = {
  keyText: (key: Cidr): string => key.text,
  familyOf: (key: Cidr) => key.family,
  encodeKey: (key: Cidr): CanalCidrKey4 => ({ prefixlen: key.length, addr: { word: key.address.bytes } }),
  decodeKey: (key: CanalCidrKey4): Cidr => Cidr.of(IpAddress.fromBytes(key.addr.word), key.prefixlen),
};

/** An entry of a decision table: what class it answers for; class 0n is the default. */
export interface TableKey {
  readonly table: bigint;
  readonly classId: bigint;
  /** Its canonical text, where whoever made it has it at hand. */
  readonly text?: string;
}

export const tableKeyText = ({ table, classId, text }: TableKey): string => text ?? `${table}/${classId}`;

/** canal_table: (table, class) -> rows id. */
export type DecisionTable = MapTable<TableKey, bigint, CanalTableKey, bigint>;

export function decisionTable(source: MapSource): DecisionTable {
  return new MapTable(
    {
      name: 'canal_table',
      keyText: tableKeyText,
      equal: (a, b) => a === b,
      familyOf: () => 4,
      encodeKey: (key) => key,
      encodeRow: (row) => row,
      decodeKey: (key) => key,
      decodeRow: (value) => value,
    },
    shared(sharedMap(source, 'canal_table', canalTableKeyCodec, u64Codec)),
  );
}

/** A row of a rows id: which protocol and ports it speaks of (see RuleRow). */
export interface RuleKey extends Omit<RuleRow, 'verdict'> {
  readonly rows: bigint;
}

/** canal_rule: (rows, protocol, port prefix) -> verdict. */
export type RuleTable = MapTable<RuleKey, Verdict, CanalRuleKey, CanalVerdict>;

const VERDICT_LOG = 1;
/** Bits before the protocol, before the port (bpf/abi_policy.h, canal_rule_key). */
const ANY_PROTOCOL = 64 + 8;
const ANY_PORT = 80;

export function ruleTable(source: MapSource): RuleTable {
  return new MapTable(
    {
      name: 'canal_rule',
      keyText: (key) => `${key.rows}/${key.protocol ?? 'any'}/${maskedPort(key)}/${key.portBits}`,
      equal: (a, b) => a.rule === b.rule && a.allow === b.allow && a.log === b.log,
      familyOf: () => 4,
      encodeKey: encodeRuleKey,
      encodeRow: (row) => ({ rule: row.rule, action: row.allow ? CanalAction.ACTION_ALLOW : CanalAction.ACTION_DENY, flags: row.log ? VERDICT_LOG : 0 }),
      decodeKey: decodeRuleKey,
      decodeRow: (value) => ({ rule: value.rule, allow: value.action === CanalAction.ACTION_ALLOW, log: (value.flags & VERDICT_LOG) !== 0 }),
    },
    shared(sharedMap(source, 'canal_rule', canalRuleKeyCodec, canalVerdictCodec)),
  );
}

const maskedPort = (key: Omit<RuleKey, 'rows'>): number => key.port & (0xffff << (16 - key.portBits)) & 0xffff;

function encodeRuleKey(key: RuleKey): CanalRuleKey {
  const rows = Buffer.allocUnsafe(8);
  rows.writeBigUInt64LE(key.rows);
  return {
    prefixlen: key.protocol === undefined ? 64 : ANY_PORT + key.portBits,
    rows,
    protocol: key.protocol ?? 0,
    port: key.protocol === undefined ? 0 : maskedPort(key),
  };
}

function decodeRuleKey(key: CanalRuleKey): RuleKey {
  const rows = Buffer.from(key.rows).readBigUInt64LE();
  if (key.prefixlen < ANY_PROTOCOL) return { rows, protocol: undefined, port: 0, portBits: 0 };
  return { rows, protocol: key.protocol, port: key.port, portBits: Math.max(0, key.prefixlen - ANY_PORT) };
}
