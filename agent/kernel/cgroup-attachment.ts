import { join } from 'node:path';
import { statSync } from 'node:fs';
import type { Family } from '../base/address.js';
import { canalCgroupLinkCodec, type CanalCgroupLink } from './abi.generated.js';
import { decode } from './codec.js';
import { kernelError, native, nativeResult } from './library.js';

/** A program of bpf/sock.bpf.c and the hook it is for. */
export interface SocketHook {
  readonly program: string;
  /** enum bpf_attach_type. */
  readonly type: number;
}

/** enum bpf_attach_type: hook, IPv4, IPv6. */
const HOOKS = [
  ['canal_connect', 10, 11],
  ['canal_sendmsg', 14, 15],
  ['canal_recvmsg', 19, 20],
  ['canal_getpeer', 29, 30],
] as const;

/**
 * The hooks of a family's object. IPv4's has programs for IPv6 sockets too,
 * which reach IPv4 by mapped addresses; they and IPv6's own live side by side.
 */
export function socketHooks(family: Family): SocketHook[] {
  if (family === 6) return HOOKS.map(([program, , type]) => ({ program, type }));
  return HOOKS.flatMap(([program, v4, v6]) => [{ program, type: v4 }, { program: `${program}_m`, type: v6 }]);
}

/**
 * Attaches a program to a cgroup (v2), or swaps the one that is pinned there:
 * no call of a socket goes unseen meanwhile, and no socket is translated twice.
 * @param pin path in a bpffs that holds the link when the agent is gone
 * @throws CanalError('KERNEL')
 */
export function attachCgroup(cgroup: string, hook: SocketHook, programFd: number, pin: string): void {
  native('canal_attach_cgroup', `${hook.program} at ${cgroup}`, cgroup, programFd, hook.type, pin);
}

/** Detaches what is pinned and removes the pin; nothing there is success. */
export function detachCgroup(pin: string): void {
  native('canal_detach_cgroup', pin, pin);
}

/** What is pinned, or undefined where nothing is. */
export function cgroupLink(pin: string): CanalCgroupLink | undefined {
  const buffer = Buffer.alloc(canalCgroupLinkCodec.size);
  const result = nativeResult('canal_cgroup_link', pin, buffer);
  if (result === -2) return undefined;
  if (result < 0) throw kernelError('canal_cgroup_link', pin, -result);
  return decode(canalCgroupLinkCodec, buffer);
}

/** The id by which a link names its cgroup. */
export const cgroupId = (path: string): bigint => statSync(path, { bigint: true }).ino;

/** Where a hook's link is pinned. One directory for a cgroup. */
export const cgroupPin = (linkDir: string, family: Family, hook: SocketHook): string => join(linkDir, `cgroup${family}-${hook.program}`);

/** Cookie of the calling process's network namespace; undefined before Linux 5.14. */
export function netnsCookie(): bigint | undefined {
  const buffer = Buffer.alloc(8);
  return nativeResult('canal_netns_cookie', buffer) < 0 ? undefined : buffer.readBigUInt64LE();
}
