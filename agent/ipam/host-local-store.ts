import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { IpAddress } from '../base/address.js';
import { CanalError } from '../base/errors.js';
import { KnownOwners, type FileOwner } from './known-owners.js';

/** Who holds an address. */
export interface Owner {
  readonly containerId: string;
  readonly ifname: string;
}

export interface Reservation extends FileOwner {
  readonly address: IpAddress;
}

const LINE_BREAK = '\r\n';

/**
 * host-local's directory of one network (compat.md 4.2): a file an address, named by it, with
 * the container's ID and the interface's name. All calls want the directory's lock held.
 * Throws CanalError('IPAM') where the disk does not do as told.
 */
export class HostLocalStore {
  /** @param known what was read of this directory before */
  constructor(
    readonly directory: string,
    private readonly known = new KnownOwners(),
  ) {}

  /** The file that host-local locks. */
  get lockPath(): string {
    return join(this.directory, 'lock');
  }

  make(): void {
    this.disk('make', this.directory, () => mkdirSync(this.directory, { recursive: true, mode: 0o755 }));
  }

  /** Does `work`, which must hold the lock, with what was read before as far as it still holds. */
  within<T>(work: () => T): T {
    this.known.begin(this.changedNs());
    try {
      return work();
    } finally {
      this.known.end(this.changedNs());
    }
  }

  reservations(): Reservation[] {
    return Array.from(this.addresses().values(), (address) => ({ address, ...this.known.get(address.text, () => this.readOwner(address)) }));
  }

  /** Whether a reservation is this owner's now, whatever was read before. */
  belongsTo({ address, containerId, ifname }: Reservation): boolean {
    const now = this.readOwner(address);
    return now.containerId === containerId && now.ifname === ifname;
  }

  /** All addresses in use, by their texts; read from names only. */
  taken(): ReadonlyMap<string, IpAddress> {
    return this.addresses();
  }

  /** The directory is read again at the next question. */
  lookAgain(): void {
    this.known.forgetAll();
  }

  /** When an address was reserved, milliseconds since the epoch; 0: it is not. */
  reservedAtMs(address: IpAddress): number {
    const path = join(this.directory, address.text);
    return this.disk('read', path, () => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  }

  /** Last address handed out of a range set; undefined: none, or unreadable, which only costs the turn. */
  last(set: number): IpAddress | undefined {
    return this.known.last(set, () => IpAddress.parse(this.readIfThere(join(this.directory, `last_reserved_ip.${set}`))?.trim() ?? ''));
  }

  /** False: somebody has it. @param set the range set whose turn this was; undefined: nobody's */
  reserve(address: IpAddress, owner: Owner, set?: number): boolean {
    const path = join(this.directory, address.text);
    const fd = this.disk('reserve', path, () => openExclusive(path));
    if (fd === undefined) return false;
    try {
      this.disk('reserve', path, () => writeSync(fd, `${owner.containerId}${LINE_BREAK}${owner.ifname}`));
    } catch (error) {
      this.release(address);
      throw error;
    } finally {
      closeSync(fd);
    }
    this.known.add(address, owner);
    if (set === undefined) return true;
    const last = join(this.directory, `last_reserved_ip.${set}`);
    this.disk('write', last, () => overwrite(last, address.text));
    this.known.turn(set, address);
    return true;
  }

  release(address: IpAddress): void {
    const path = join(this.directory, address.text);
    this.disk('release', path, () => unlinkIfThere(path));
    this.known.forget(address.text);
  }

  private addresses(): ReadonlyMap<string, IpAddress> {
    return this.known.addresses(() => this.readAddresses());
  }

  private readAddresses(): IpAddress[] {
    const names = this.disk('read', this.directory, () => {
      try {
        return readdirSync(this.directory);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
        throw error;
      }
    });
    return names.map((name) => IpAddress.parse(name)).filter((address) => address !== undefined);
  }

  private changedNs(): bigint {
    return this.disk('read', this.directory, () => statSync(this.directory, { bigint: true }).mtimeNs);
  }

  private readOwner(address: IpAddress): FileOwner {
    const text = (this.readIfThere(join(this.directory, address.text)) ?? '').trim();
    const [containerId, ifname] = text.split(/\r?\n/);
    return { containerId: containerId === '' ? undefined : containerId, ifname };
  }

  private readIfThere(path: string): string | undefined {
    return this.disk('read', path, () => {
      try {
        return readFileSync(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    });
  }

  private disk<T>(verb: string, path: string, work: () => T): T {
    try {
      return work();
    } catch (cause) {
      const errno = Math.abs((cause as NodeJS.ErrnoException).errno ?? 0);
      throw new CanalError('IPAM', `cannot ${verb} ${path}`, { subject: path, cause, ...(errno === 0 ? {} : { errno }) });
    }
  }
}

/** In place: file systems write a file out at once that was cut to nothing and filled anew. A writer that dies half-way leaves another address, or none. */
function overwrite(path: string, text: string): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    const bytes = Buffer.from(text);
    writeSync(fd, bytes, 0, bytes.length, 0);
    ftruncateSync(fd, bytes.length);
  } finally {
    closeSync(fd);
  }
}

/** One system call, where `rmSync` looks first. */
function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function openExclusive(path: string): number | undefined {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
}
