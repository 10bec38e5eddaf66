import ffi from 'ffi-napi';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { getSystemErrorMap } from 'node:util';
import { CanalError } from '../base/errors.js';
import { NativeCall, type NativeArgument } from './native-call.js';

/** Functions of native/canal.h, a letter a parameter. All return int. */
const signatures = {
  canal_version: '',
  canal_mount_bpffs: 's',
  canal_is_bpffs: 's',
  canal_object_open: 'sspu',
  canal_object_maps: 'ipup',
  canal_object_map_size: 'isu',
  canal_object_only: 'is',
  canal_object_load: 'ipu',
  canal_object_adopt: 'is',
  canal_object_map: 'is',
  canal_object_program: 'is',
  canal_object_pin_programs: 'is',
  canal_object_close: 'i',
  canal_btf_of_file: 'spup',
  canal_btf_of_map: 'ipup',
  canal_pinned: 's',
  canal_pin: 'is',
  canal_unpin: 's',
  canal_close: 'i',
  canal_map_info: 'ip',
  canal_prog_info: 'ip',
  canal_map_update: 'ippuUp',
  canal_map_delete: 'ipup',
  canal_map_lookup: 'ipp',
  canal_map_dump: 'ippup',
  canal_cpus: '',
  canal_netfilter_chains: 'pu',
  canal_attach: 'uiiis',
  canal_detach: 'uiis',
  canal_attachments: 'puispup',
  canal_has_tcx: '',
  canal_attach_cgroup: 'siis',
  canal_detach_cgroup: 's',
  canal_cgroup_link: 'sp',
  canal_netns_cookie: 'p',
  canal_udp_connected: 'ipup',
  canal_udp_abort: 'p',
  canal_test_run: 'ipupppuupp',
  canal_test_run_many: 'ippuup',
  canal_ring_open: 'i',
  canal_ring_drain: 'ipu',
  canal_ring_close: 'i',
  canal_link_list: 'pup',
  canal_link_get: 'sp',
  canal_link_at: 'up',
  canal_link_add_vxlan: 'p',
  canal_link_delete: 'u',
  canal_link_set: 'upui',
  canal_addr_list: 'upup',
  canal_addr_replace: 'pup',
  canal_addr_delete: 'pup',
  canal_route_list: 'iupup',
  canal_route_replace: 'pup',
  canal_route_delete: 'pup',
  canal_route_get: 'ipp',
  canal_neigh_list: 'iupup',
  canal_neigh_replace: 'pup',
  canal_neigh_delete: 'pup',
  canal_capture_open: 'ss',
  canal_capture_read: 'ipuu',
  canal_capture_dropped: 'i',
  canal_ipsec_policies: 'p',
  canal_monitor_open: '',
  canal_monitor_fd: 'i',
  canal_monitor_drain: 'ipupup',
  canal_monitor_close: 'i',
  canal_waker_open: 'iup',
  canal_waker_close: 'i',
  canal_pod_link_add: 'sp',
  canal_pod_link_up: 'p',
  canal_pod_link_delete: 'ss',
  canal_pod_link_drop: 'su',
  canal_pod_link_check: 'sp',
  canal_netns_alive: 's',
} as const;

export type NativeFunction = keyof typeof signatures;

/**
 * Calls into libcanal.so. The result is >= 0; what the kernel refuses becomes
 * CanalError('KERNEL') with its errno. A call costs about 2 microseconds and
 * blocks the event loop while it runs.
 */
export function native(name: NativeFunction, subject: string, ...args: NativeArgument[]): number {
  const result = nativeResult(name, ...args);
  if (result < 0) throw kernelError(name, subject, -result);
  return result;
}

/** The same, answering what the function returned: negative is -errno. */
export function nativeResult(name: NativeFunction, ...args: NativeArgument[]): number {
  return callOf(name).call(args);
}

/** The same in a worker thread, for calls that wait for the kernel (pods: RCU, address detection). */
export async function nativeAsync(name: NativeFunction, subject: string, ...args: NativeArgument[]): Promise<number> {
  const result = await nativeResultAsync(name, subject, ...args);
  if (result < 0) throw kernelError(name, subject, -result);
  return result;
}

/** The same, answering what the function returned. */
export async function nativeResultAsync(name: NativeFunction, subject: string, ...args: NativeArgument[]): Promise<number> {
  return callOf(name).async(args).catch((cause: unknown) => {
    throw new CanalError('INTERNAL', `${name} did not run`, { subject, cause });
  });
}

/** CanalError('KERNEL') for an errno; `what` says what was tried. */
export function kernelError(what: string, subject: string, errno: number, detail = ''): CanalError {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
  return new CanalError('KERNEL', `${what}: ${code} (${text})${detail === '' ? '' : `: ${detail}`}`, { subject, errno });
}

const ENOSPC = 28;

/**
 * Calls a listing function until its buffer is large enough. `call` gets the
 * buffer, its capacity in rows and the place of `*needed`.
 * @returns the buffer and how many rows (or bytes) of it are filled; to be read before the next call, which may use it again
 */
export function grow(
  what: string,
  rowSize: number,
  capacity: number,
  call: (buffer: Buffer, capacity: number, needed: Buffer) => number,
): { buffer: Buffer; count: number } {
  for (;;) {
    const buffer = roomFor(capacity * rowSize);
    const count = call(buffer, capacity, needed);
    if (count >= 0) return { buffer, count };
    if (count !== -ENOSPC) throw kernelError(what, what, -count);
    // A little more than asked for: the kernel's state moves between the calls.
    capacity = Math.max(needed.readUInt32LE(0) + 64, capacity + 1);
  }
}

const needed = Buffer.alloc(4);
/** Most listings are short, and memory of their own would cost more than they do. */
const room = Buffer.alloc(1 << 16);

const roomFor = (bytes: number): Buffer => (bytes <= room.length ? room : Buffer.allocUnsafe(bytes));

const calls = new Map<NativeFunction, NativeCall>();
let loaded: { get(name: string): Buffer } | undefined;

function callOf(name: NativeFunction): NativeCall {
  return calls.get(name) ?? found(name);
}

function found(name: NativeFunction): NativeCall {
  const path = libraryPath();
  try {
    loaded ??= new ffi.DynamicLibrary(path);
    const call = new NativeCall(loaded.get(name), signatures[name]);
    calls.set(name, call);
    return call;
  } catch (cause) {
    throw new CanalError('CONFIG', 'libcanal.so cannot be loaded', { subject: path, cause });
  }
}

/** CANAL_LIBDIR, else native/ beside this build's agent/, else build/native of the source tree. */
function libraryPath(): string {
  const configured = process.env['CANAL_LIBDIR'];
  if (configured !== undefined && configured !== '') return join(configured, 'libcanal.so');
  const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
  const built = join(root, 'native', 'libcanal.so');
  return existsSync(built) ? built : join(root, 'build', 'native', 'libcanal.so');
}
