import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { AttachmentRow } from '../compile/desired.js';
import type { Table, ToldRow } from '../reconcile/table.js';
import { canalAttachmentCodec, type CanalAttachment, type CanalLink } from './abi.generated.js';
import { decodeAll } from './codec.js';
import { kernelDevices, type DeviceSource } from './device-book.js';
import { eachRow } from './each-row.js';
import { grow, native, nativeAsync, nativeResult } from './library.js';
import type { WriteCounter } from './write-counter.js';

export interface AttachmentKey {
  readonly ifindex: number;
  readonly egress: boolean;
}

export interface AttachmentOptions {
  /** Names of our programs, as in the object. */
  readonly programs: readonly string[];
  /** Descriptor and id of a program by name. */
  readonly program: (name: string) => { readonly fd: number; readonly id: number };
  /** Directory in a bpffs for tcx links. */
  readonly linkDir: string;
  /** Whether a device gets a tcx link instead of a clsact filter. A link makes packets 1 to 3 % cheaper and takes 8 ms to attach, which a pod's ADD would wait for. */
  readonly tcx: (device: string) => boolean;
  /** Whether the filter at a device's ingress becomes a link later (`upgradeNext`). Egress stays: nearly nothing passes there, for what is redirected to a pod does not. */
  readonly tcxLater?: (device: string) => boolean;
  /** Called before and after older programs of ours are swapped: what they remember moves to the maps of the new. */
  readonly carryOver?: () => void;
}

/** Whether this kernel has tcx (6.6 and later). */
export const hasTcx = (): boolean => nativeResult('canal_has_tcx') === 1;

const LOOK_MS = 250;
/** So long after the last attachment nobody waits for one. */
const QUIET_MS = 2000;

const hookText = ({ ifindex, egress }: AttachmentKey): string => `${ifindex} ${egress ? 'egress' : 'ingress'}`;
const deviceOf = (hook: string): number => Number.parseInt(hook, 10);
const keyOf = ({ ifindex, egress }: CanalAttachment): AttachmentKey => ({ ifindex, egress: egress !== 0 });
const linksOf = (found: readonly CanalAttachment[]): [string, number][] => found.filter(({ tcx }) => tcx !== 0).map((link) => [hookText(keyOf(link)), link.progId]);

/** Object names are cut by the kernel at 15 characters. */
const kernelName = (program: string): string => program.slice(0, 15);

/** Names in a bpffs must not have dots. */
const pinName = (device: string): string => device.replaceAll('.', '%2E');

/** Programs at the tc hooks of devices. Ours are recognised by program name. */
export class AttachmentTable implements Table<AttachmentKey, AttachmentRow> {
  readonly name = 'attachment';
  /** Our tcx links as they were found last: program's id by hook. */
  #links = new Map<string, number>();
  #lookedAtMs = 0;
  /** Filters that are to become links, by ifindex. */
  readonly #filters = new Map<number, { readonly device: string; readonly program: string }>();
  /** Pins of devices that are gone have been removed since the first of these was noted. */
  #cleared = false;
  /** The hook where that is under way. */
  #upgrading: string | undefined;
  #attachedAtMs = -Infinity;
  /** An upgrade failed: what the kernel said meanwhile of its hook was not believed. */
  #doubtful = false;
  #named: { readonly links: readonly CanalLink[]; readonly names: ReadonlyMap<number, string> } = { links: [], names: new Map() };
  /** Devices without any of ours, as seen or told in this turn of the event loop. */
  readonly #bare = new Set<number>();

  constructor(
    private readonly options: AttachmentOptions,
    private readonly writes: WriteCounter,
    private readonly devices: DeviceSource = kernelDevices,
  ) {
    mkdirSync(options.linkDir, { recursive: true, mode: 0o700 });
  }

  /** A program of our name that is not the loaded one (an older version) shows as `name#id`, which equals no desired row. */
  list(): Map<string, { readonly key: AttachmentKey; readonly row: AttachmentRow }> {
    this.#links.clear();
    this.#filters.clear();
    return this.listOn(new Set(this.names().keys()));
  }

  listOn(devices: ReadonlySet<number>): Map<string, { readonly key: AttachmentKey; readonly row: AttachmentRow }> {
    const names = this.names();
    const rows = new Map<string, { readonly key: AttachmentKey; readonly row: AttachmentRow }>();
    const there = [...devices].filter((ifindex) => names.has(ifindex));
    const all = this.attached(there);
    this.rememberBare(there, all);
    for (const hook of this.#links.keys()) if (devices.has(deviceOf(hook))) this.#links.delete(hook);
    for (const [hook, progId] of linksOf(all)) this.#links.set(hook, progId);
    for (const found of all) {
      const key = keyOf(found);
      const program = this.programOf(found);
      const text = this.keyText(key);
      const row = { ...key, device: names.get(found.ifindex) ?? '', program };
      if (found.tcx === 0) this.#noteFilter(row);
      // Two programs of ours at one hook are one too many, whatever they are.
      const two = rows.has(text) && text !== this.#upgrading;
      rows.set(text, { key, row: two ? { ...row, program: `${program}#two` } : row });
    }
    return rows;
  }

  /** What a notice says of a filter. Another one than the loaded is no row of ours, and so worth a look where one of ours is known. */
  told(found: CanalAttachment, gone: boolean): ToldRow<AttachmentKey, AttachmentRow> {
    const key = keyOf(found);
    const text = this.keyText(key);
    // A filter of ours that goes where there is a link of the same program has become that.
    const stays = !gone || this.#upgrading === text || this.#links.get(text) === found.progId;
    const program = stays ? this.options.programs.find((name) => this.options.program(name).id === found.progId) : undefined;
    return { key, text, row: program === undefined ? undefined : { ...key, device: this.names().get(key.ifindex) ?? '', program }, device: key.ifindex };
  }

  deviceOf(row: AttachmentRow): number {
    return row.ifindex;
  }

  /** Whether one of our tcx links has gone since the last list: there is no notice of that. Looks four times a second at most, however often it is asked. */
  linksChanged(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#lookedAtMs < LOOK_MS) return false;
    this.#lookedAtMs = nowMs;
    const doubtful = this.#doubtful;
    this.#doubtful = false;
    // Those of a device that has gone went with it, and of that there is a notice.
    const names = this.names();
    const before = [...this.#links].filter(([hook]) => names.has(deviceOf(hook)));
    if (before.length === 0) return doubtful;
    this.#links = new Map(linksOf(this.attached(before.map(([hook]) => deviceOf(hook)), 'links')));
    return doubtful || before.some(([hook, progId]) => this.#links.get(hook) !== progId);
  }

  /**
   * Once no pod has come for a while: makes one filter that is to be a link one, in a worker thread; the link works before the filter goes.
   * @returns whether there may be another; @throws CanalError('KERNEL'), and the filter remains
   */
  async upgradeNext(quietMs = QUIET_MS): Promise<boolean> {
    if (performance.now() - this.#attachedAtMs < quietMs) return false;
    const [next] = this.#filters;
    if (next === undefined) return false;
    const [ifindex, { device, program }] = next;
    this.#filters.delete(ifindex);
    if (!this.#cleared) this.removeOrphanPins();
    this.#cleared = true;
    // A device that has gone, and an older version of a program, are the next apply's business.
    if (this.names().get(ifindex) === device && this.options.programs.includes(program)) await this.#upgrade({ ifindex, egress: false }, device, program);
    return true;
  }

  keyText(key: AttachmentKey): string {
    return hookText(key);
  }

  equal(actual: AttachmentRow, desired: AttachmentRow): boolean {
    return actual.program === desired.program;
  }

  upsert(rows: readonly { readonly key: AttachmentKey; readonly row: AttachmentRow }[]): (Error | undefined)[] {
    const before = this.attached(rows.map(({ key }) => key.ifindex).filter((ifindex) => !this.#bare.has(ifindex)));
    this.#bare.clear();
    if (rows.some(({ row }) => this.options.tcx(row.device))) this.removeOrphanPins();
    const at = new Map(rows.map(({ key }): [string, CanalAttachment[]] => [this.keyText(key), []]));
    for (const found of before) at.get(hookText(keyOf(found)))?.push(found);
    const swaps = [...at.values()].some((found) => found.length > 0);
    if (swaps) this.options.carryOver?.();
    const outcomes = eachRow(rows, ({ key, row }) => this.#attach(key, row, at.get(this.keyText(key))!));
    if (swaps) this.options.carryOver?.();
    this.#attachedAtMs = performance.now();
    return outcomes;
  }

  /** A link that is there already is swapped in place, which takes no time. @param before of ours at this hook */
  #attach(key: AttachmentKey, row: AttachmentRow, before: readonly CanalAttachment[]): void {
    const tcx = this.options.tcx(row.device) || (this.#later(key, row.device) && before.some((found) => found.tcx !== 0));
    const { fd } = this.options.program(row.program);
    native('canal_attach', this.subject(key), key.ifindex, fd, Number(key.egress), Number(tcx), this.pin(row.device, key));
    this.writes.add(this.name, 1);
    if (before.some((found) => (found.tcx !== 0) !== tcx)) this.detach(key, row.device, !tcx);
    if (!tcx) this.#noteFilter(row);
  }

  #later(key: AttachmentKey, device: string): boolean {
    return !key.egress && this.options.tcxLater?.(device) === true;
  }

  #noteFilter({ device, program, ...key }: AttachmentRow): void {
    if (!this.#later(key, device)) return;
    this.#cleared &&= this.#filters.size > 0;
    this.#filters.set(key.ifindex, { device, program });
  }

  async #upgrade(key: AttachmentKey, device: string, program: string): Promise<void> {
    const { fd, id } = this.options.program(program);
    const at = [this.subject(key), key.ifindex] as const;
    const pin = this.pin(device, key);
    this.#upgrading = this.keyText(key);
    try {
      await nativeAsync('canal_attach', ...at, fd, 0, 1, pin);
      this.#links.set(this.#upgrading, id);
      await nativeAsync('canal_detach', ...at, 0, 0, pin);
      this.writes.add(this.name, 2);
    } catch (error) {
      this.#doubtful = true;
      throw error;
    } finally {
      this.#upgrading = undefined;
    }
  }

  remove(keys: readonly AttachmentKey[]): (Error | undefined)[] {
    const devices = this.names();
    const there = this.attached(keys.map((key) => key.ifindex));
    return eachRow(keys, (key) => {
      for (const found of there) {
        if (hookText(keyOf(found)) === hookText(key)) this.detach(key, devices.get(key.ifindex) ?? '', found.tcx !== 0);
      }
    });
  }

  private detach(key: AttachmentKey, device: string, tcx: boolean): void {
    native('canal_detach', this.subject(key), key.ifindex, Number(key.egress), Number(tcx), this.pin(device, key));
    this.writes.add(this.name, 1);
  }

  private attached(ifindexes: readonly number[], what: 'links' | 'all' = 'all'): CanalAttachment[] {
    const unique = Uint32Array.from(new Set(ifindexes));
    if (unique.length === 0) return [];
    const devices = Buffer.from(unique.buffer);
    const names = this.options.programs.join(',');
    const { buffer, count } = grow('canal_attachments', canalAttachmentCodec.size, unique.length * 2 + 16, (out, capacity, needed) =>
      nativeResult('canal_attachments', devices, unique.length, Number(what === 'links'), names, out, capacity, needed),
    );
    return decodeAll(canalAttachmentCodec, buffer, count);
  }

  /** A device that we have just made has none of ours. */
  made(ifindex: number): void {
    this.rememberBare([ifindex], []);
  }

  /** A new device is listed and then written to at once: no need to ask twice. */
  private rememberBare(devices: readonly number[], found: readonly CanalAttachment[]): void {
    const ours = new Set(found.map(({ ifindex }) => ifindex));
    for (const ifindex of devices) if (!ours.has(ifindex)) this.#bare.add(ifindex);
    queueMicrotask(() => this.#bare.clear());
  }

  /** Made once for as long as devices are the same: after a start a thousand notices ask. */
  private names(): ReadonlyMap<number, string> {
    const links = this.devices.links();
    if (links !== this.#named.links) this.#named = { links, names: new Map(links.map((link) => [link.ifindex, link.name])) };
    return this.#named.names;
  }

  private programOf(found: CanalAttachment): string {
    const name = this.options.programs.find((program) => kernelName(program) === found.progName) ?? found.progName;
    return this.options.program(name).id === found.progId ? name : `${name}#${found.progId}`;
  }

  private pin(device: string, key: AttachmentKey): string {
    return join(this.options.linkDir, `${pinName(device)}-${key.egress ? 'egress' : 'ingress'}`);
  }

  /** Links of devices that are gone hold nothing any more but their pin. */
  private removeOrphanPins(): void {
    const pins = readdirSync(this.options.linkDir);
    if (pins.length === 0) return;
    const devices = new Set(this.devices.links().map((link) => pinName(link.name)));
    for (const pin of pins) {
      if (!devices.has(pin.replace(/-(in|e)gress$/, ''))) rmSync(join(this.options.linkDir, pin), { force: true });
    }
  }

  private subject(key: AttachmentKey): string {
    return `${this.name} ${this.keyText(key)}`;
  }
}
