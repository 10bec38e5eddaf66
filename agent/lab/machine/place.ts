import { labBinary } from './layout.js';

/** Where a process of the lab runs. Absent parts: where the lab itself runs. */
export interface Place {
  /** Directory of its cgroup. */
  readonly cgroup?: string;
  /** Files of its namespaces. */
  readonly net?: string;
  readonly mnt?: string;
  readonly uts?: string;
  readonly ipc?: string;
  readonly cgroupns?: string;
}

/** All namespaces that a process holds. */
export function placeOf(pid: number, cgroup?: string): Place {
  const file = (kind: string): string => `/proc/${pid}/ns/${kind}`;
  return { net: file('net'), mnt: file('mnt'), uts: file('uts'), ipc: file('ipc'), cgroupns: file('cgroup'), ...(cgroup === undefined ? {} : { cgroup }) };
}

/** Options of canal-lab that say a place. */
export function placeOptions(place: Place): string[] {
  return Object.entries(place).flatMap(([kind, file]: [string, string]) => [`--${kind}`, file]);
}

export interface Command {
  readonly file: string;
  readonly args: string[];
}

/** The command that runs `command` in a place. */
export function inside(place: Place, command: readonly string[], extra: readonly string[] = []): Command {
  return { file: labBinary(), args: ['enter', ...placeOptions(place), ...extra, '--', ...command] };
}
