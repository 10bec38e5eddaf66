import { CanalError } from '../../base/errors.js';
import { Cidr, type Family } from '../../base/address.js';
import type { NetConf, VxlanBackend } from '../../model/net-conf.js';

/**
 * Reads flannel's `net-conf.json` (compat.md 1.7; flannel pkg/subnet/config.go).
 * Keys are matched without regard to case, as Go's decoder does. A missing
 * Backend means `udp` to flannel: refused here, not taken for vxlan
 * (compat.md 13, point 4).
 * @throws CanalError('CONFIG') naming the key.
 */
export function parseNetConf(text: string, source: string): NetConf {
  const root = fields(parseJson(text, source), source, '', ROOT_KEYS);
  const enableIPv4 = flag(root, 'EnableIPv4', true, source);
  const enableIPv6 = flag(root, 'EnableIPv6', false, source);
  if (!enableIPv4 && !enableIPv6) throw bad(source, 'EnableIPv4', 'and EnableIPv6 are both false: there is nothing to route');
  return {
    enableIPv4,
    enableIPv6,
    network: enableIPv4 ? network(root, 'Network', 4, source) : undefined,
    ipv6Network: enableIPv6 ? network(root, 'IPv6Network', 6, source) : undefined,
    backend: parseBackend(root.get('backend'), source),
  };
}

/** Everything that flannel reads; the etcd manager's keys are checked by nobody in kube mode and so only known, not used. */
const ROOT_KEYS = [
  'EnableIPv4', 'EnableIPv6', 'EnableNFTables', 'Network', 'IPv6Network', 'SubnetMin', 'SubnetMax', 'IPv6SubnetMin',
  'IPv6SubnetMax', 'SubnetLen', 'IPv6SubnetLen', 'Backend',
];
const VXLAN_KEYS = ['Type', 'VNI', 'Port', 'MTU', 'GBP', 'Learning', 'DirectRouting'];
const OTHER_BACKENDS = ['host-gw', 'ipip', 'wireguard', 'udp', 'ipsec', 'extension', 'alloc', 'tencent-vpc'];

function parseBackend(value: unknown, source: string): VxlanBackend {
  if (value === undefined) throw bad(source, 'Backend', 'is missing; flannel would take udp, which canal does not have: write {"Type": "vxlan"}');
  const named = fields(value, source, 'Backend.', undefined);
  const type = named.get('type');
  if (typeof type !== 'string') throw bad(source, 'Backend.Type', 'must be a string');
  const kind = type.toLowerCase();
  if (OTHER_BACKENDS.includes(kind)) throw bad(source, 'Backend.Type', `${type} is not supported; canal has vxlan`);
  if (kind !== 'vxlan') throw bad(source, 'Backend.Type', `${JSON.stringify(type)} is no backend of flannel`);
  const backend = fields(value, source, 'Backend.', VXLAN_KEYS);
  return {
    type: 'vxlan',
    vni: integer(backend, 'VNI', 1, 0, 0xffffff, source),
    port: integer(backend, 'Port', 0, 0, 65535, source),
    mtu: integer(backend, 'MTU', 0, 0, 65535, source),
    gbp: flag(backend, 'GBP', false, source, 'Backend.'),
    learning: flag(backend, 'Learning', false, source, 'Backend.'),
    directRouting: flag(backend, 'DirectRouting', false, source, 'Backend.'),
  };
}

const bad = (source: string, key: string, message: string): CanalError =>
  new CanalError('CONFIG', `${source}: ${key} ${message}`, { subject: key });

function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CanalError('CONFIG', `${source}: not JSON: ${(cause as Error).message}`, { subject: source, cause });
  }
}

function fields(value: unknown, source: string, path: string, known: readonly string[] | undefined): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw bad(source, path === '' ? 'the document' : path.slice(0, -1), 'must be an object');
  }
  const lower = known?.map((k) => k.toLowerCase());
  const result = new Map<string, unknown>();
  for (const [key, field] of Object.entries(value)) {
    if (lower !== undefined && !lower.includes(key.toLowerCase())) {
      throw bad(source, path + key, `is unknown; known: ${known!.join(', ')}`);
    }
    if (field !== null) result.set(key.toLowerCase(), field);
  }
  return result;
}

function flag(from: Map<string, unknown>, key: string, fallback: boolean, source: string, path = ''): boolean {
  const value = from.get(key.toLowerCase()) ?? fallback;
  if (typeof value !== 'boolean') throw bad(source, path + key, 'must be true or false');
  return value;
}

function integer(from: Map<string, unknown>, key: string, fallback: number, low: number, high: number, source: string): number {
  const value = from.get(key.toLowerCase()) ?? fallback;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) {
    throw bad(source, `Backend.${key}`, `must be an integer from ${low} to ${high}`);
  }
  return value;
}

function network(from: Map<string, unknown>, key: string, family: Family, source: string): Cidr {
  const value = from.get(key.toLowerCase());
  if (value === undefined) throw bad(source, key, 'is missing');
  const cidr = typeof value === 'string' && value.includes('/') ? Cidr.parse(value) : undefined;
  if (cidr === undefined || cidr.family !== family) throw bad(source, key, `must be an IPv${family} CIDR, not ${JSON.stringify(value)}`);
  return cidr;
}
