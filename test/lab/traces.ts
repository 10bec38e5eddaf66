import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupRoot } from '../../agent/lab/machine/cgroup.js';
import { identify, must } from '../../agent/lab/machine/process.js';

/**
 * What a lab could leave on the machine that `enter` leads to (the words before
 * a command). Network namespaces that others name meanwhile are not looked at: a
 * lab names none.
 */
export async function traces(lab: string, [enter, ...place]: readonly [command: string, ...args: string[]]): Promise<Record<string, unknown>> {
  const ip = (...words: string[]): Promise<string> => must(enter, [...place, 'ip', ...words]);
  return {
    links: (await ip('-o', 'link')).split('\n').map((line) => line.split(':')[1]?.trim() ?? ''),
    routes: await ip('route', 'show', 'table', 'all'),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map((line) => line.split(' ')[4] ?? '').filter((path) => !path.startsWith('/run/netns') && !path.startsWith('/var/run/netns')),
    namespaces: (await ip('netns', 'list')).split('\n').filter((line) => line.includes(lab)),
    forwarding: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'),
    pins: readdirSync('/sys/fs/bpf').filter((name) => name.startsWith('canal')),
    cgroups: readdirSync(cgroupRoot()).filter((name) => name.includes(lab)),
    processes: processes(lab),
    files: existsSync('/run/canal-lab') ? readdirSync('/run/canal-lab').filter((name) => name.startsWith(lab)) : [],
    cni: ['/etc/cni/net.d', '/var/lib/cni', '/var/lib/canal', '/run/canal', '/run/flannel', '/var/lib/calico'].filter((path) => existsSync(path)),
  };
}

/** Processes that belong to a lab: by cgroup, or by what they were started with. */
export function processes(lab: string): string[] {
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).flatMap((pid) => {
    // A zombie is only waiting for its parent.
    if (identify(Number(pid)) === undefined) return [];
    const cgroup = read(pid, 'cgroup');
    const environment = read(pid, 'environ');
    return cgroup.includes(`/canal-lab-${lab}/`) || environment.includes(`CANAL_TEST_LAB=${lab}`) ? [`${pid} ${read(pid, 'comm').trim()}`] : [];
  });
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(join('/proc', pid, file), 'utf8');
  } catch {
    return '';
  }
}
