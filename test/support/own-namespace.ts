import { readlinkSync } from 'node:fs';

/**
 * Throws unless test/run.sh gave this process network and mount namespaces of
 * its own: these tests make devices, routes and pins. (/proc/1/ns would tell
 * too, but is not readable everywhere.)
 */
export function requireOwnNamespace(): void {
  const outside = (process.env['CANAL_OUTSIDE'] ?? '').split(' ');
  const inside = ['net', 'mnt'].map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
  if (outside.length !== 2 || inside.some((namespace) => outside.includes(namespace))) {
    throw new Error("this test would change the machine's own namespaces: run it as root with `test/run.sh FILE`");
  }
}
