import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CanalError } from '../base/errors.js';
import { canalMapInfoCodec, type CanalMapInfo } from './abi.generated.js';
import { decodeAll } from './codec.js';
import { CarryOver, type ReplacedMap } from './carry-over.js';
import { sameMapLayout } from './layout-check.js';
import { grow, kernelError, native, nativeResult } from './library.js';
import { closeFd, mapInfo, openPinned, programInfo } from './pins.js';
import { StandingBuild } from './standing-build.js';

export type MapSizes = Readonly<Record<string, number>>;

/** A map that an object declares. */
export interface MapFound {
  readonly declared: CanalMapInfo;
  /** Rows that the map has room for that is pinned under this name; undefined: none is. */
  readonly pinnedEntries: number | undefined;
}

export interface OpenOptions {
  /** Object file. */
  readonly path: string;
  /**
   * Directory in a bpffs (whose names have no dots): maps are pinned there by name, programs below
   * `programs/<object>/`. Undefined: nothing is pinned.
   */
  readonly pinDir?: string;
  /** The one program to load, of those that use no map; undefined: all, and the maps. */
  readonly only?: string;
}

/** max_entries of maps, by name, or who decides them; those not named keep what maps.h says. */
export type SizesAsked = MapSizes | ((maps: readonly MapFound[]) => MapSizes);

export interface BpfObjectOptions extends OpenOptions {
  readonly mapSizes?: SizesAsked;
}

/** What came of a load. */
interface Loaded {
  readonly replacedMaps: readonly string[];
  readonly carryOver: CarryOver;
  readonly replacedPrograms: number;
  readonly stood: boolean;
}

/**
 * An object: its maps and programs. File descriptors belong to it and go
 * with `close`, which leaves pins and attachments alone.
 */
export class BpfObject {
  private readonly programs = new Map<string, { readonly fd: number; readonly id: number }>();
  private closed = false;
  private outcome: Loaded | undefined;

  private constructor(
    private readonly handle: number,
    readonly path: string,
    private readonly pinDir: string,
  ) {}

  /** Reads an object file; nothing of it is in the kernel before `load`. @throws CanalError('KERNEL') */
  static open({ path, pinDir = '', only }: OpenOptions): BpfObject {
    const log = Buffer.alloc(1 << 16);
    if (pinDir !== '') mkdirSync(programsOf(path, pinDir), { recursive: true, mode: 0o700 });
    const handle = check(nativeResult('canal_object_open', path, pinDir, log, log.length), 'open', path, log);
    if (only !== undefined) native('canal_object_only', only, handle, only);
    return new BpfObject(handle, path, pinDir);
  }

  /** Opens and loads in one go. @throws CanalError('KERNEL') with the verifier's last lines in the message */
  static load({ mapSizes, ...options }: BpfObjectOptions): BpfObject {
    const object = BpfObject.open(options);
    try {
      object.load(mapSizes);
      return object;
    } catch (error) {
      object.close();
      throw error;
    }
  }

  /**
   * Loads and pins, or takes what is pinned where that is this very build, which spares the
   * verifier's second. Maps pinned before are taken over with their rows; one of
   * another shape is replaced by an empty one, and the programs with it: a
   * program's tag says nothing of which maps it uses. Once only: after an error the object is of no use.
   * @throws CanalError('KERNEL') with the verifier's last lines in the message
   */
  load(asked: SizesAsked = {}): void {
    const { handle, path, pinDir } = this;
    const mapSizes = typeof asked === 'function' ? asked(this.found()) : asked;
    for (const [map, size] of Object.entries(mapSizes)) native('canal_object_map_size', map, handle, map, size);
    const programDir = programsOf(path, pinDir);
    const build = pinDir === '' ? undefined : new StandingBuild({ path, pinDir, programDir, maps: this.maps().map(({ name }) => name), mapSizes });
    if (build?.stands() === true && nativeResult('canal_object_adopt', handle, programDir) === 0) {
      this.outcome = { replacedMaps: [], carryOver: new CarryOver([], () => -1), replacedPrograms: 0, stood: true };
      return;
    }
    build?.forget();
    this.outcome = { ...loadAndPin(handle, path, pinDir, programDir), stood: false };
    build?.note();
  }

  get loaded(): boolean {
    return this.outcome !== undefined;
  }

  /** Pinned maps of another shape that made room for this object's: their rows must be written again. */
  get replacedMaps(): readonly string[] {
    return this.done().replacedMaps;
  }

  /** Brings what programs remember into the maps that came instead. */
  get carryOver(): CarryOver {
    return this.done().carryOver;
  }

  /** How many program pins changed: 0 on a restart with the same object. */
  get replacedPrograms(): number {
    return this.done().replacedPrograms;
  }

  /** Whether what was pinned was this build already: nothing was loaded. */
  get stood(): boolean {
    return this.done().stood;
  }

  /** Descriptor of a map. */
  map(name: string): number {
    this.done();
    return native('canal_object_map', name, this.open(), name);
  }

  /** Descriptor and id of a program; the pinned one where that has the same instructions. */
  program(name: string): { readonly fd: number; readonly id: number } {
    const known = this.programs.get(name);
    if (known !== undefined) return known;
    const fd = native('canal_object_program', name, this.open(), name);
    const program = { fd, id: programInfo(fd).id };
    this.programs.set(name, program);
    return program;
  }

  /** Maps as declared by the object, or as large as they were asked for. */
  maps(): CanalMapInfo[] {
    return declaredMaps(this.open());
  }

  /** The same, beside what is pinned. */
  found(): MapFound[] {
    return this.maps().map((declared) => {
      const fd = this.pinDir === '' ? undefined : openPinned(join(this.pinDir, declared.name));
      if (fd === undefined) return { declared, pinnedEntries: undefined };
      const { maxEntries: pinnedEntries } = mapInfo(fd);
      closeFd(fd);
      return { declared, pinnedEntries };
    });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.outcome?.carryOver.close();
    nativeResult('canal_object_close', this.handle);
  }

  private done(): Loaded {
    if (this.outcome === undefined) throw new CanalError('INTERNAL', 'BPF object is not loaded', { subject: this.path });
    return this.outcome;
  }

  private open(): number {
    if (this.closed) throw new CanalError('INTERNAL', 'BPF object is closed', { subject: this.path });
    return this.handle;
  }
}

/** Whether a bpffs is mounted at `path`. */
export function isBpffs(path: string): boolean {
  return native('canal_is_bpffs', path, path) === 1;
}

/** Mounts a bpffs at `path` unless one is there. */
export function mountBpffs(path: string): void {
  native('canal_mount_bpffs', path, path);
}

const programsOf = (path: string, pinDir: string): string => join(pinDir, 'programs', basename(path, '.o'));

function loadAndPin(handle: number, path: string, pinDir: string, programDir: string): Omit<Loaded, 'stood'> {
  const log = Buffer.alloc(1 << 18);
  const replaced = pinDir === '' ? [] : removeMisfits(handle, pinDir);
  if (replaced.length > 0) for (const pin of readdirSync(programDir)) rmSync(join(programDir, pin));
  check(nativeResult('canal_object_load', handle, log, log.length), 'load', path, log);
  const replacedPrograms = pinDir === '' ? 0 : native('canal_object_pin_programs', path, handle, programDir);
  const carryOver = new CarryOver(replaced, (map) => native('canal_object_map', map, handle, map));
  carryOver.copyConfig();
  return { replacedMaps: replaced.map(({ name }) => name), carryOver, replacedPrograms };
}

function declaredMaps(handle: number): CanalMapInfo[] {
  const { size } = canalMapInfoCodec;
  const list = grow('canal_object_maps', size, 32, (buffer, capacity, needed) =>
    nativeResult('canal_object_maps', handle, buffer, capacity, needed),
  );
  return decodeAll(canalMapInfoCodec, list.buffer, list.count);
}

function removeMisfits(handle: number, pinDir: string): ReplacedMap[] {
  const removed: ReplacedMap[] = [];
  for (const map of declaredMaps(handle)) {
    const pin = join(pinDir, map.name);
    const fd = openPinned(pin);
    if (fd === undefined) continue;
    const found = mapInfo(fd);
    if (sameShape(found, map) && (map.type === RINGBUF || sameMapLayout(fd))) closeFd(fd);
    else {
      rmSync(pin);
      removed.push({ name: map.name, info: found, fd });
    }
  }
  return removed;
}

// A ring buffer's key and value are zero; libbpf rounds its size to pages.
function sameShape(a: CanalMapInfo, b: CanalMapInfo): boolean {
  const sizes = a.maxEntries === b.maxEntries || (a.type === RINGBUF && a.maxEntries >= b.maxEntries && a.maxEntries < b.maxEntries * 2);
  return a.type === b.type && a.keySize === b.keySize && a.valueSize === b.valueSize && a.flags === b.flags && sizes;
}

const RINGBUF = 27;

function check(result: number, verb: string, path: string, log: Buffer): number {
  if (result >= 0) return result;
  const text = log.toString('utf8', 0, Math.max(0, log.indexOf(0))).trim().split('\n').slice(-30).join('\n');
  throw kernelError(`${verb} BPF object`, path, -result, text);
}
