import { closeSync, constants, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { IpAddress } from '../base/address.js';
import { CanalError, type Problem } from '../base/errors.js';
import type { LocalEndpoint } from '../compile/desired.js';
import type { PortMapping } from './network-config.js';

/**
 * An attachment on disk. Written before the first side effect of ADD, so that an agent that
 * dies half-way finds what to undo, and again when ADD is complete.
 */
export interface EndpointRecord {
  /** `ready`: ADD has answered, or was about to. `pending`: being made or being taken down. */
  readonly state: 'pending' | 'ready';
  readonly endpoint: LocalEndpoint;
  /** Network name and directory of its addresses. */
  readonly network: string;
  readonly addressDirectory: string;
  readonly portMappings: readonly PortMapping[];
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
}

export const endpointKey = (containerId: string, ifname: string): string => `${containerId}@${ifname}`;
export const recordKey = (record: EndpointRecord): string => endpointKey(record.endpoint.containerId, record.endpoint.ifname);

/**
 * One JSON file an attachment, in a directory that survives the agent (not
 * necessarily the machine: what a reboot leaves is stale and found so at start).
 * Memory holds what disk holds; writes are atomic and there before ADD answers, whatever happens
 * to the agent: a file is written by one call within one page, which a kill does not cut in half, and one of
 * which only the name is there is of an ADD that has done nothing yet. They are not fsynced: it costs milliseconds in which nothing else is done, and what a power
 * cut loses is stale anyway, for it ends every pod's device. host-local does not fsync either.
 */
export class EndpointStore {
  private readonly records = new Map<string, EndpointRecord>();
  /** Bytes of their files. */
  private readonly sizes = new Map<string, number>();
  /** Files that could not be read; they stay where they are for a person to look at. */
  readonly problems: readonly Problem[];

  constructor(private readonly directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.problems = this.load();
  }

  get(containerId: string, ifname: string): EndpointRecord | undefined {
    return this.records.get(endpointKey(containerId, ifname));
  }

  all(): readonly EndpointRecord[] {
    return [...this.records.values()];
  }

  /** Whether an attachment stands for a device, or one of that name is being made or taken down. */
  standsFor(hostDevice: string, ifindex: number): boolean {
    return this.all().some(({ state, endpoint }) => endpoint.hostDevice === hostDevice && (state === 'pending' || endpoint.ifindex === ifindex));
  }

  /** Endpoints whose ADD is complete: what compile has to know of. */
  ready(): readonly LocalEndpoint[] {
    return this.all()
      .filter(({ state }) => state === 'ready')
      .map(({ endpoint }) => endpoint);
  }

  put(record: EndpointRecord): void {
    const key = recordKey(record);
    const path = this.pathOf(key);
    try {
      this.sizes.set(key, write(path, JSON.stringify(toJson(record), null, 1), this.sizes.get(key)));
    } catch (cause) {
      throw new CanalError('CNI', `cannot write ${path}`, { subject: path, cause });
    }
    this.records.set(key, record);
  }

  delete(record: EndpointRecord): void {
    const key = recordKey(record);
    const path = this.pathOf(key);
    try {
      unlinkSync(path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw new CanalError('CNI', `cannot remove ${path}`, { subject: path, cause });
    }
    this.records.delete(key);
    this.sizes.delete(key);
  }

  private pathOf(key: string): string {
    return join(this.directory, `${encodeURIComponent(key)}.json`);
  }

  private load(): Problem[] {
    const problems: Problem[] = [];
    for (const name of readdirSync(this.directory)) {
      const path = join(this.directory, name);
      if (name.endsWith('.tmp')) rmSync(path, { force: true }); // its writer died
      if (!name.endsWith('.json')) continue;
      try {
        const text = readFileSync(path, 'utf8');
        if (text === '') {
          rmSync(path, { force: true }); // a power cut came before its bytes
          continue;
        }
        const record = fromJson(JSON.parse(text) as RecordJson);
        this.records.set(recordKey(record), record);
        this.sizes.set(recordKey(record), Buffer.byteLength(text));
      } catch (error) {
        problems.push({ object: `endpoint file ${path}`, field: '', message: (error as Error).message });
      }
    }
    return problems;
  }
}

/** What is written by one call within a page is there whole or not at all, as far as kills go. */
const PAGE = 4096;

/** @param before bytes of the file; undefined: there is none @returns bytes of it now */
function write(path: string, text: string, before: number | undefined): number {
  const bytes = Buffer.from(before === undefined ? text : text.padEnd(before - (Buffer.byteLength(text) - text.length)));
  if (bytes.length > PAGE) {
    writeFileSync(`${path}.tmp`, text, { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
    return Buffer.byteLength(text);
  }
  const fd = openSync(path, before === undefined ? 'w' : constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    if (writeSync(fd, bytes, 0, bytes.length, 0) !== bytes.length) throw new Error('the disk is full');
  } catch (error) {
    if (before === undefined) rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  return bytes.length;
}

type RecordJson = Omit<EndpointRecord, 'endpoint' | 'portMappings'> & {
  readonly endpoint: Omit<LocalEndpoint, 'addresses'> & { readonly addresses: readonly string[] };
  readonly portMappings: readonly (Omit<PortMapping, 'hostIp'> & { readonly hostIp?: string })[];
};

function toJson(record: EndpointRecord): RecordJson {
  return {
    ...record,
    endpoint: { ...record.endpoint, addresses: record.endpoint.addresses.map(String) },
    portMappings: record.portMappings.map(({ hostIp, ...rest }) => ({ ...rest, ...(hostIp && { hostIp: hostIp.text }) })),
  };
}

function fromJson(json: RecordJson): EndpointRecord {
  const { containerId, ifname, hostDevice } = json.endpoint;
  for (const [field, value] of Object.entries({ containerId, ifname, hostDevice, addressDirectory: json.addressDirectory })) {
    if (typeof value !== 'string' || value === '') throw new TypeError(`${field}: not set`);
  }
  return {
    ...json,
    endpoint: { ...json.endpoint, addresses: json.endpoint.addresses.map(parseAddress) },
    portMappings: json.portMappings.map(({ hostIp, ...rest }) => ({ ...rest, hostIp: hostIp === undefined ? undefined : parseAddress(hostIp) })),
  };
}

function parseAddress(text: string): IpAddress {
  const address = IpAddress.parse(text);
  if (address === undefined) throw new TypeError(`addresses: ${JSON.stringify(text)} is no address`);
  return address;
}
