import { join } from 'node:path';

/**
 * The file of a setting (`net/ipv4/ip_forward`). In a container /proc/sys is
 * read-only: CANAL_PROC_SYS says where the node's is mounted. Settings below
 * net are those of the calling thread's network namespace in either.
 */
export function procSys(setting: string): string {
  const root = process.env['CANAL_PROC_SYS'];
  return join(root === undefined || root === '' ? '/proc/sys' : root, setting);
}
