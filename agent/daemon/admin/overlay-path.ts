import type { IpAddress } from '../../base/address.js';
import type { AgentSettings } from '../../model/settings.js';
import type { NodeKernel } from '../node-kernel.js';
import type { PlannedOverlay } from '../overlay-planner.js';

/** Who takes packets of pods to other nodes: `programs`, `device` or `host stack`; in brackets, why not the programs. */
export function overlayPath(fastPath: AgentSettings['fastPath'], { directObstacle }: Pick<PlannedOverlay, 'directObstacle'>): string {
  if (fastPath === 'off' || fastPath === 'local') return `host stack (fast-path is ${fastPath})`;
  if (fastPath === 'device') return 'device (fast-path is device)';
  return directObstacle === undefined ? 'programs' : `device (${directObstacle})`;
}

/** The same for one peer: the programs ask the kernel's routing table before each use, and so does this. */
export function peerPath(path: string, vtep: IpAddress, uplinkIfindex: number, kernel: Pick<NodeKernel, 'routeTo' | 'devices'>): string {
  if (path !== 'programs') return path;
  const route = kernel.routeTo(vtep);
  if (route === undefined) return `device (no route to ${vtep.text})`;
  if (route.ifindex === uplinkIfindex) return path;
  return `device (${vtep.text} is reached by ${kernel.devices().find((device) => device.ifindex === route.ifindex)?.name ?? String(route.ifindex)})`;
}
