import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isObject, type JsonObject } from './fields.js';

/** What libcni, the library of container runtimes, remembers of an ADD. */
export interface CachedResult {
  readonly containerId: string;
  readonly ifname: string;
  readonly network: string;
  /** CNI_NETNS; empty where neither the file nor the result says it. */
  readonly netns: string;
  /** Empty outside Kubernetes. */
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  /** Of the container's device; empty where the result does not say it. */
  readonly podMac: string;
}

const KIND = 'cniCacheV1';
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** All ADDs in a directory, normally `/var/lib/cni/results`. Whatever else is there is nobody's word for anything, and left out. */
export function readResultCache(directory: string): readonly CachedResult[] {
  return namesIn(directory)
    .map((name) => decode(textOf(join(directory, name))))
    .filter((result) => result !== undefined);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Runtimes remove files at any moment. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function decode(text: string): CachedResult | undefined {
  const file = parse(text);
  if (file === undefined || file['kind'] !== KIND) return undefined;
  const containerId = string(file['containerId']);
  const ifname = string(file['ifName']);
  if (containerId === '' || ifname === '') return undefined;
  const args = new Map(listOf(file['cniArgs']).map((pair) => [string(listOf(pair)[0]), string(listOf(pair)[1])]));
  const device = deviceOf(file['result'], ifname);
  const mac = string(device['mac']).toLowerCase();
  return {
    containerId,
    ifname,
    network: string(file['networkName']),
    netns: string(file['netns']) || string(device['sandbox']),
    namespace: args.get('K8S_POD_NAMESPACE') ?? '',
    pod: args.get('K8S_POD_NAME') ?? '',
    podUid: args.get('K8S_POD_UID') ?? '',
    podMac: MAC.test(mac) ? mac : '',
  };
}

/** The container's device in a result: the one of that name that has a sandbox. */
function deviceOf(result: unknown, ifname: string): JsonObject {
  const interfaces = isObject(result) ? listOf(result['interfaces']).filter(isObject) : [];
  return interfaces.find((one) => one['name'] === ifname && string(one['sandbox']) !== '') ?? {};
}

function parse(text: string): JsonObject | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

const string = (value: unknown): string => (typeof value === 'string' ? value : '');
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as readonly unknown[]) : []);
