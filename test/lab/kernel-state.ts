import type { Lab } from '../../agent/lab/lab.js';

/** What a node's kernel holds of canal's, as the system's own tools say; without ifindexes, counters and ages. */
export type KernelState = Readonly<Record<'links' | 'addresses' | 'routes' | 'neighbours' | 'fdb' | 'programs', readonly string[]>>;

export const LINKS = '/sys/fs/bpf/canal/links';

/** A JSON list of links by the name of their pin: bpftool 7.1 does not know what tcx links are attached to. */
const PINNED = String.raw`
printf '['
separator=
for pin in ${LINKS}/*; do
  [ -e $pin ] || continue
  printf '%s{"pin":"%s","link":%s}' "$separator" "$(basename $pin)" "$(bpftool -j link show pinned $pin)"
  separator=,
done
printf ']'`;

const QUESTIONS = ['ip -j -d link show flannel.1', 'ip -j -4 address show dev flannel.1', 'ip -j route show', 'ip -j neighbour show dev flannel.1', 'bridge -j fdb show dev flannel.1', 'bpftool -j net', PINNED, 'bpftool -j prog show'];

type Row = Readonly<Record<string, unknown>>;

/** Throws where flannel.1 is not there. */
export async function kernelState(lab: Lab, node: number): Promise<KernelState> {
  const output = await lab.node(node).must(['sh', '-ec', QUESTIONS.map((question) => `${question}; echo; echo ---`).join('\n')]);
  const answers = output.split('---\n').map((text) => (text.trim() === '' ? [] : JSON.parse(text)) as readonly Row[]);
  const [links, addresses, routes, neighbours, fdb, net, pinned, programs] = answers as [Row[], Row[], Row[], Row[], Row[], Row[], Row[], Row[]];
  return {
    links: links.map(link),
    addresses: (addresses[0]?.['addr_info'] as Row[]).map((row) => text(row, 'local', 'prefixlen')).sort(),
    routes: routes.filter(({ dev }) => /^(flannel|cali)/.test(String(dev))).map((row) => text(row, 'dst', 'gateway', 'dev', 'flags')).sort(),
    neighbours: neighbours.filter(({ state }) => String(state) === 'PERMANENT').map((row) => text(row, 'dst', 'lladdr')).sort(),
    fdb: fdb.filter((row) => row['dst'] !== undefined).map((row) => text(row, 'mac', 'dst', 'flags', 'state')).sort(),
    programs: [...new Set([...(net[0]?.['tc'] as Row[]).map(filter), ...pinned.map((row) => tcxLink(row, programs))])].sort(),
  };
}

/** Lines that say what is different. */
export function stateDifferences(actual: KernelState, expected: KernelState): string[] {
  return (Object.keys(expected) as (keyof KernelState)[]).flatMap((what) => [
    ...expected[what].filter((row) => !actual[what].includes(row)).map((row) => `${what}: missing ${row}`),
    ...actual[what].filter((row) => !expected[what].includes(row)).map((row) => `${what}: not wanted ${row}`),
  ]);
}

function link(row: Row): string {
  const { info_data: data } = row['linkinfo'] as { info_data: Row };
  const up = (row['flags'] as string[]).includes('UP') ? 'up' : 'down';
  return `${text(row, 'ifname', 'address', 'mtu')} ${up} ${text(data, 'id', 'local', 'link', 'port', 'learning')}`;
}

/** A pod's program may be at a filter or at a link, and for a moment at both: device, side, name. */
const filter = (row: Row): string => text({ ...row, kind: String(row['kind']).replace('clsact/', '') }, 'devname', 'kind', 'name');

function tcxLink(row: Row, programs: readonly Row[]): string {
  const [, device = '', side = ''] = /^(.+)-(\w+)$/.exec(String(row['pin']).replaceAll('%2E', '.')) ?? [];
  const id = (row['link'] as Row)['prog_id'];
  return `${device} ${side} ${String(programs.find((program) => program['id'] === id)?.['name'])}`;
}

const text = (row: Row, ...keys: string[]): string => keys.map((key) => JSON.stringify(row[key] ?? null)).join(' ').replaceAll('"', '');
