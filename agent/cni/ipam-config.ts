import { isAbsolute } from 'node:path';
import type { Cidr, Family, IpAddress } from '../base/address.js';
import { rangeOf, type RangeLimits, type RangeSet } from '../ipam/range.js';
import { CniCode, CniError } from './cni-error.js';
import { addressAt, cidrAt, invalid, listAt, objectAt, objectsAt, stringAt, type JsonObject } from './fields.js';

/** A range as configured: a subnet, or the node's pod CIDR of a family. */
export interface RangeRequest {
  readonly path: string;
  readonly subnet: Cidr | Family;
  readonly limits: RangeLimits;
}

export interface IpamConfig {
  /** Base directory of the address store. */
  readonly dataDir: string;
  /** Undefined: one set a family of the node's pod CIDRs. */
  readonly sets: readonly (readonly RangeRequest[])[] | undefined;
}

const DATA_DIR = '/var/lib/cni/networks';
const DEFAULT_ROUTES = ['0.0.0.0/0', '::/0'];

/** host-local's configuration, with Calico's usePodCidr. Throws CniError. */
export function decodeIpam(config: JsonObject): IpamConfig {
  const ipam = objectAt(config, 'ipam') ?? {};
  const type = stringAt(ipam, 'type', 'ipam') ?? 'host-local';
  if (type !== 'host-local') throw new CniError(CniCode.UNSUPPORTED_FIELD, `ipam.type: ${JSON.stringify(type)} is not supported; host-local is`);
  requireDefaultRoutes(ipam, config['include_default_routes'] === true);
  const single = stringAt(ipam, 'subnet', 'ipam') === undefined ? [] : [[decodeRange(ipam, 'ipam')]];
  const listed = (listAt(ipam, 'ranges', 'ipam') ?? []).map((_, i, all) => {
    const set = objectsAt({ [`ranges[${i}]`]: all[i] }, `ranges[${i}]`, 'ipam') ?? [];
    if (set.length === 0) throw invalid(`ipam.ranges[${i}]`, 'no range in it');
    return set.map((range) => decodeRange(range.value, range.path));
  });
  const sets = [...single, ...listed];
  return { dataDir: decodeDataDir(config), sets: sets.length === 0 ? undefined : sets };
}

export function decodeDataDir(config: JsonObject): string {
  const dataDir = stringAt(objectAt(config, 'ipam') ?? {}, 'dataDir', 'ipam') ?? '';
  if (dataDir === '') return DATA_DIR;
  if (!isAbsolute(dataDir)) throw invalid('ipam.dataDir', 'not an absolute path');
  return dataDir;
}

/** The sets to allocate from, with the node's pod CIDRs in place. Undefined: the lease has no CIDR of a family that is asked for. */
export function resolveSets(ipam: IpamConfig, podCidrs: readonly Cidr[]): readonly RangeSet[] | undefined {
  const requests = ipam.sets ?? podCidrs.map((subnet) => [{ path: 'podCIDR', subnet, limits: {} }]);
  const sets: RangeSet[] = [];
  for (const set of requests) {
    const ranges = [];
    for (const { path, subnet, limits } of set) {
      const cidr = typeof subnet === 'number' ? podCidrs.find(({ family }) => family === subnet) : subnet;
      if (cidr === undefined) return undefined;
      const range = rangeOf(cidr, limits);
      if (typeof range === 'string') throw invalid(path, range);
      ranges.push(range);
    }
    sets.push(ranges);
  }
  return sets.length === 0 ? undefined : sets;
}

function decodeRange(range: JsonObject, path: string): RangeRequest {
  const text = stringAt(range, 'subnet', path)?.toLowerCase();
  const subnet = text === 'usepodcidr' ? 4 : text === 'usepodcidripv6' ? 6 : cidrAt(range, 'subnet', path);
  if (subnet === undefined) throw invalid(`${path}.subnet`, 'not set');
  const limits: { first?: IpAddress; last?: IpAddress; gateway?: IpAddress } = {};
  const first = addressAt(range, 'rangeStart', path);
  const last = addressAt(range, 'rangeEnd', path);
  const gateway = addressAt(range, 'gateway', path);
  if (first !== undefined) limits.first = first;
  if (last !== undefined) limits.last = last;
  if (gateway !== undefined) limits.gateway = gateway;
  return { path, subnet, limits };
}

/** Pods always get default routes; a configuration that wants fewer must not get more than it asked for unnoticed. */
function requireDefaultRoutes(ipam: JsonObject, includeDefault: boolean): void {
  const routes = objectsAt(ipam, 'routes', 'ipam') ?? [];
  const destinations = routes.map(({ value, path }) => ({ path, dst: cidrAt(value, 'dst', path)?.text }));
  if (includeDefault || destinations.every(({ dst }) => dst !== undefined && DEFAULT_ROUTES.includes(dst))) return;
  if (destinations.some(({ dst }) => dst === '0.0.0.0/0')) return; // the default route covers the rest
  throw new CniError(CniCode.UNSUPPORTED_FIELD, `${destinations[0]!.path}.dst: pods get a default route; set include_default_routes`);
}
