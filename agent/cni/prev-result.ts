import { Cidr, IpAddress } from '../base/address.js';
import { integerAt, invalid, objectAt, objectsAt, stringAt, stringsAt, type JsonObject } from './fields.js';
import { parseVersion, type CniVersion } from './version.js';

export interface Dns {
  readonly nameservers: readonly string[];
  readonly domain?: string;
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** An interface of a result, as it came; members that we do not know are passed on. */
export interface PrevInterface {
  readonly name: string;
  /** Empty: on the host. */
  readonly sandbox: string;
  readonly json: JsonObject;
}

export interface PrevIp {
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly gateway: IpAddress | undefined;
  /** Index into interfaces. */
  readonly interface: number | undefined;
}

/** The result of the plugins before us (ADD) or of the ADD itself (CHECK). */
export interface PrevResult {
  readonly interfaces: readonly PrevInterface[];
  readonly ips: readonly PrevIp[];
  readonly routes: readonly JsonObject[];
  readonly dns: Dns | undefined;
}

/** `prevResult` of a configuration; versions before 0.3.0 have none. Throws code 7 naming the member. */
export function decodePrevResult(config: JsonObject, version: CniVersion): PrevResult | undefined {
  const result = objectAt(config, 'prevResult');
  if (result === undefined || version === '0.1.0' || version === '0.2.0') return undefined;
  parseVersion(result['cniVersion'] ?? version);
  const interfaces = (objectsAt(result, 'interfaces', 'prevResult') ?? []).map(({ value, path }) => {
    const name = stringAt(value, 'name', path);
    if (name === undefined) throw invalid(`${path}.name`, 'not set');
    return { name, sandbox: stringAt(value, 'sandbox', path) ?? '', json: value };
  });
  return {
    interfaces,
    ips: (objectsAt(result, 'ips', 'prevResult') ?? []).map(({ value, path }) => decodeIp(value, path, interfaces.length)),
    routes: (objectsAt(result, 'routes', 'prevResult') ?? []).map(({ value }) => value),
    dns: decodeDns(result, 'prevResult'),
  };
}

function decodeIp(ip: JsonObject, path: string, interfaces: number): PrevIp {
  const text = stringAt(ip, 'address', path) ?? '';
  const cidr = Cidr.parse(text);
  const address = IpAddress.parse(text.split('/')[0]!);
  if (cidr === undefined || address === undefined) throw invalid(`${path}.address`, `${JSON.stringify(text.slice(0, 64))} is no CIDR`);
  const gateway = stringAt(ip, 'gateway', path);
  return {
    address,
    prefixLength: cidr.length,
    gateway: gateway === undefined ? undefined : IpAddress.parse(gateway),
    interface: integerAt(ip, 'interface', 0, Math.max(0, interfaces - 1), path),
  };
}

/** `dns` of a result or configuration; absent or empty is undefined. */
export function decodeDns(from: JsonObject, path = ''): Dns | undefined {
  const dns = objectAt(from, 'dns', path);
  if (dns === undefined || Object.keys(dns).length === 0) return undefined;
  const at = path === '' ? 'dns' : `${path}.dns`;
  const domain = stringAt(dns, 'domain', at);
  return {
    nameservers: stringsAt(dns, 'nameservers', at) ?? [],
    ...(domain === undefined ? {} : { domain }),
    search: stringsAt(dns, 'search', at) ?? [],
    options: stringsAt(dns, 'options', at) ?? [],
  };
}
