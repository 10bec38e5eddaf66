import { makeCgroup } from './cgroup.js';
import { hold } from './holder.js';
import type { Lan } from './lan.js';
import { labBinary, OUTSIDE_ADDRESS } from './layout.js';
import { placeOf, type Place } from './place.js';

const SCRIPT = `set -e
ip link set lo up
echo ready
exec "$CANAL_LAB" pause`;

/** A machine on the LAN that is no node: what clients of NodePorts and load balancers are. */
export async function createOutside(cgroup: string, lan: Lan): Promise<Place> {
  makeCgroup(cgroup);
  const { pid } = await hold({ cgroup }, ['unshare', '--net', 'sh', '-c', SCRIPT], { CANAL_LAB: labBinary() });
  await lan.attach('outside', pid, OUTSIDE_ADDRESS);
  return { net: placeOf(pid).net!, cgroup };
}
