import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { AttachmentRow } from '../compile/desired.js';
import type { Table, ToldRow } from '../reconcile/table.js';
import { canalAttachmentCodec, type CanalAttachment, type CanalLink } from './abi.generated.js';
import { decodeAll } from './codec.js';
import { kernelDevices, type DeviceSource } from './device-book.js';
import { eachRow } from './each-row.js';
import { grow, native, nativeResult } from './library.js';
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
  /**
   * Whether a device gets a tcx link instead of a clsact filter. tcx runs 1 to 3 %
   * faster but takes 8 ms to attach, which a pod's ADD would wait for.
   */
  readonly tcx: (device: string) => boolean;
  /** Called before and after older programs of ours are swapped: what they remember moves to the maps of the new. */
  readonly carryOver?: () => void;
}

/** Whether this kernel has tcx (6.6 and later). */
export const hasTcx = (): boolean => nativeResult('canal_has_tcx') === 1;

/** tcx where the kernel has it, but for pods' devices. */
export function tcxButForPods(podPrefix: string): (device: string) => boolean {
  const has = hasTcx();
  return (device) => has && !device.startsWith(podPrefix);
}

const LOOK_MS = 250;

const linksOf = (found: readonly CanalAttachment[]): string[] => found.filter(({ tcx }) => tcx !== 0).map(({ ifindex, egress, progId }) => `${ifindex} ${egress} ${progId}`).sort();

/** Object names are cut by the kernel at 15 characters. */
const kernelName = (program: string): string => program.slice(0, 15);

/** Names in a bpffs must not have dots. */
const pinName = (device: string): string => device.replaceAll('.', '%2E');

/** Programs at the tc hooks of devices. Ours are recognised by program name. */
export class AttachmentTable implements Table<AttachmentKey, AttachmentRow> {
  readonly name = 'attachment';
  /** Our tcx links as they were found last: ifindex, hook, program's id. */
  #links: readonly string[] = [];
  #lookedAtMs = 0;
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
    this.#links = [];
    return this.listOn(new Set(this.names().keys()));
  }

  listOn(devices: ReadonlySet<number>): Map<string, { readonly key: AttachmentKey; readonly row: AttachmentRow }> {
    const names = this.names();
    const rows = new Map<string, { readonly key: AttachmentKey; readonly row: AttachmentRow }>();
    const there = [...devices].filter((ifindex) => names.has(ifindex));
    const all = this.attached(there);
    this.rememberBare(there, all);
    this.#links = [...this.#links.filter((link) => !devices.has(Number.parseInt(link, 10))), ...linksOf(all)].sort();
    for (const found of all) {
      const key = { ifindex: found.ifindex, egress: found.egress !== 0 };
      const program = this.programOf(found);
      const text = this.keyText(key);
      const row = { ...key, device: names.get(found.ifindex) ?? '', program };
      // Two programs of ours at one hook are one too many, whatever they are.
      rows.set(text, { key, row: rows.has(text) ? { ...row, program: `${program}#two` } : row });
    }
    return rows;
  }

  /** What a notice says of a filter. Another one than the loaded is no row of ours, and so worth a look where one of ours is known. */
  told({ ifindex, egress: at, progId }: CanalAttachment, gone: boolean): ToldRow<AttachmentKey, AttachmentRow> {
    const key = { ifindex, egress: at !== 0 };
    const program = this.options.programs.find((name) => this.options.program(name).id === progId);
    return { key, text: this.keyText(key), row: gone || program === undefined ? undefined : { ...key, device: this.names().get(ifindex) ?? '', program }, device: ifindex };
  }

  deviceOf(row: AttachmentRow): number {
    return row.ifindex;
  }

  /** Whether one of our tcx links has gone since the last list: there is no notice of that. Looks four times a second at most, however often it is asked. */
  linksChanged(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#lookedAtMs < LOOK_MS) return false;
    this.#lookedAtMs = nowMs;
    const before = this.#links;
    if (before.length === 0) return false;
    this.#links = linksOf(this.attached(before.map((link) => Number.parseInt(link, 10)), 'links'));
    return this.#links.join() !== before.join();
  }

  keyText(key: AttachmentKey): string {
    return `${key.ifindex} ${key.egress ? 'egress' : 'ingress'}`;
  }

  equal(actual: AttachmentRow, desired: AttachmentRow): boolean {
    return actual.program === desired.program;
  }

  upsert(rows: readonly { readonly key: AttachmentKey; readonly row: AttachmentRow }[]): (Error | undefined)[] {
    const before = this.attached(rows.map(({ key }) => key.ifindex).filter((ifindex) => !this.#bare.has(ifindex)));
    this.#bare.clear();
    if (rows.some(({ row }) => this.options.tcx(row.device))) this.removeOrphanPins();
    const swaps = before.some((found) => rows.some(({ key }) => found.ifindex === key.ifindex && (found.egress !== 0) === key.egress));
    if (swaps) this.options.carryOver?.();
    const outcomes = eachRow(rows, ({ key, row }) => {
      const tcx = this.options.tcx(row.device);
      const { fd } = this.options.program(row.program);
      native('canal_attach', this.subject(key), key.ifindex, fd, Number(key.egress), Number(tcx), this.pin(row.device, key));
      this.writes.add(this.name, 1);
      const other = before.some((found) => found.ifindex === key.ifindex && (found.egress !== 0) === key.egress && (found.tcx !== 0) !== tcx);
      if (other) this.detach(key, row.device, !tcx);
    });
    if (swaps) this.options.carryOver?.();
    return outcomes;
  }

  remove(keys: readonly AttachmentKey[]): (Error | undefined)[] {
    const devices = this.names();
    const there = this.attached(keys.map((key) => key.ifindex));
    return eachRow(keys, (key) => {
      for (const found of there) {
        if (found.ifindex === key.ifindex && (found.egress !== 0) === key.egress) this.detach(key, devices.get(key.ifindex) ?? '', found.tcx !== 0);
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
