import { join } from 'node:path';
import type { MapView } from '../../observe/views.js';
import type { ApplyLoop } from '../apply-loop.js';
import type { LinuxKernel } from '../kernel.js';
import type { AdminSources } from './sources.js';

/** Tables of both families, by the map of the family that is loaded. */
const BY_FAMILY = ['canal_peer', 'canal_cidr', 'canal_local', 'canal_route', 'canal_front', 'canal_back', 'canal_live', 'canal_range', 'canal_nomasq'];

export function mapsView({ kernel, loop }: AdminSources): MapView[] {
  const rows = mapRows(kernel, loop);
  const memory = kernel.maps.memory();
  return [...kernel.maps.capacities]
    .filter(([name]) => rows.has(name))
    .map(([name, capacity]) => ({ name, capacity, rows: rows.get(name)!, bytes: memory.get(name)!, pin: join(kernel.pinDir, name) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Rows by map: of the agent's own as its books say, of the programs' by counting. */
export function mapRows(kernel: LinuxKernel, loop: ApplyLoop): ReadonlyMap<string, number> {
  const own = [...loop.sizes()].filter(([name]) => name.startsWith('canal_') && name !== 'canal_config');
  return new Map([...own.map(([name, n]): [string, number] => [BY_FAMILY.includes(name) ? `${name}4` : name, n]), ...kernel.maps.rows()]);
}
