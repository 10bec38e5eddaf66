import { readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll } from 'vitest';

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

/**
 * The same, and has the namespace alone until the file's tests are over: files
 * run side by side, and a table lists everything of ours that there is. Call it
 * in beforeAll. The lock is an abstract socket, which belongs to the network
 * namespace and goes with the process.
 */
export async function takeNamespace(): Promise<void> {
  requireOwnNamespace();
  let lock = await listen();
  while (lock === undefined) {
    await pause(20);
    lock = await listen();
  }
  held = lock;
}

let held: Server | undefined;

afterAll(async () => {
  if (held !== undefined) await new Promise((resolve) => held!.close(resolve));
  held = undefined;
});

function listen(): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen('\0canal-kernel-tests', () => resolve(server));
  });
}
