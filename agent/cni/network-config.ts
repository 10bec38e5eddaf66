import { IpAddress } from '../base/address.js';
import { CniCode, CniError } from './cni-error.js';
import { booleanAt, integerAt, invalid, isObject, objectAt, objectsAt, stringAt, type JsonObject } from './fields.js';
import { decodeDataDir, decodeIpam, type IpamConfig } from './ipam-config.js';
import { decodeDns, decodePrevResult, type Dns, type PrevResult } from './prev-result.js';
import { parseVersion, type CniVersion } from './version.js';

/** A container's port published on the node. Kept with the endpoint. */
export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly hostIp: IpAddress | undefined;
}

/** What every verb needs of a configuration. */
export interface NetworkConfig {
  readonly cniVersion: CniVersion;
  /** Network name: the directory of its addresses. */
  readonly name: string;
  readonly dataDir: string;
  /** The configuration itself, for the verbs that read more of it. */
  readonly json: JsonObject;
}

/** What ADD and CHECK need. */
export interface AttachConfig {
  /** 0: the node's. */
  readonly mtu: number;
  readonly queues: number;
  readonly ipForward: boolean;
  readonly ipam: IpamConfig;
  readonly portMappings: readonly PortMapping[];
  readonly dns: Dns | undefined;
  readonly prevResult: PrevResult | undefined;
  /** Members that were given and have no effect. */
  readonly ignored: readonly string[];
}

/** Canal's network name, so that addresses of a Canal node are found again. */
const DEFAULT_NAME = 'k8s-pod-network';
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,199}$/;
const HONOURED = new Set(['cniVersion', 'cniVersions', 'name', 'type', 'mtu', 'num_queues', 'container_settings', 'ipam', 'include_default_routes', 'runtimeConfig', 'dns', 'prevResult', 'device_type', 'socket', 'queue', 'policy', 'capabilities', 'args', 'feature_control']);
const TYPES = ['canal', 'calico'];

/** Throws CniError: code 6 for what is no JSON object, 1 for the version, 7 for the rest. Pure. */
export function decodeConfig(bytes: Buffer): NetworkConfig {
  const json = parse(bytes);
  const cniVersion = parseVersion(json['cniVersion']);
  const name = stringAt(json, 'name') ?? DEFAULT_NAME;
  if (!NAME.test(name)) throw invalid('name', `${JSON.stringify(name.slice(0, 64))} is no network name`);
  const type = stringAt(json, 'type') ?? '';
  if (!TYPES.includes(type)) throw invalid('type', type === '' ? 'not set' : `${JSON.stringify(type.slice(0, 64))} is neither canal nor calico`);
  return { cniVersion, name, dataDir: decodeDataDir(json), json };
}

/** The part that makes an attachment. Throws CniError naming the member. Pure. */
export function decodeAttachConfig({ json, cniVersion }: NetworkConfig): AttachConfig {
  const device = stringAt(json, 'device_type') ?? '';
  if (device !== '' && device !== 'veth') throw new CniError(CniCode.UNSUPPORTED_FIELD, `device_type: ${JSON.stringify(device)} is not supported; veth is`);
  const runtime = objectAt(json, 'runtimeConfig') ?? {};
  const queues = integerAt(json, 'num_queues', 0, 256) ?? 0;
  return {
    mtu: decodeMtu(json),
    queues: queues === 0 ? 1 : queues,
    ipForward: booleanAt(objectAt(json, 'container_settings') ?? {}, 'allow_ip_forwarding', 'container_settings') ?? false,
    ipam: decodeIpam(json),
    portMappings: decodePortMappings(runtime),
    dns: decodeDns(json),
    prevResult: decodePrevResult(json, cniVersion),
    ignored: Object.keys(json).filter((key) => !HONOURED.has(key)),
  };
}

function parse(bytes: Buffer): JsonObject {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new CniError(CniCode.DECODE, 'the configuration is no JSON', (error as Error).message);
  }
  if (!isObject(json)) throw new CniError(CniCode.DECODE, 'the configuration is no JSON object');
  return json;
}

/** 576 is IPv4's least; the most is what a veth takes. */
function decodeMtu(json: JsonObject): number {
  const mtu = integerAt(json, 'mtu', 0, 65_535) ?? 0;
  if (mtu !== 0 && mtu < 576) throw invalid('mtu', `${mtu} is not between 576 and 65535`);
  return mtu;
}

function decodePortMappings(runtime: JsonObject): PortMapping[] {
  return (objectsAt(runtime, 'portMappings', 'runtimeConfig') ?? []).map(({ value, path }) => {
    const hostPort = integerAt(value, 'hostPort', 0, 65_535, path) ?? 0;
    const containerPort = integerAt(value, 'containerPort', 1, 65_535, path);
    if (containerPort === undefined) throw invalid(`${path}.containerPort`, 'not set');
    const protocol = (stringAt(value, 'protocol', path) ?? 'tcp').toLowerCase();
    if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') throw invalid(`${path}.protocol`, `${JSON.stringify(protocol)} is not tcp, udp or sctp`);
    const hostIpText = stringAt(value, 'hostIP', path) ?? '';
    const hostIp = hostIpText === '' ? undefined : IpAddress.parse(hostIpText);
    if (hostIpText !== '' && hostIp === undefined) throw invalid(`${path}.hostIP`, `${JSON.stringify(hostIpText)} is no address`);
    return { hostPort, containerPort, protocol, hostIp };
  });
}
