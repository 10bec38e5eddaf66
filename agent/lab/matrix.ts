import { CanalError } from '../base/errors.js';
import { labBinary } from './machine/layout.js';
import { inside, placeOf } from './machine/place.js';
import { run } from './machine/process.js';
import { parseAnswers, targetText, type ProbeAnswer, type ProbeProtocol } from './probe.js';
import type { PodStatus } from './status.js';

export interface Cell extends ProbeAnswer {
  /** `namespace/name`. */
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly protocol: ProbeProtocol;
}

export interface MatrixOptions {
  /** Of all targets; by default each target's first port of that protocol. */
  readonly port?: number;
  readonly protocol: ProbeProtocol;
  readonly timeoutMs: number;
}

export const podName = (pod: Pick<PodStatus, 'namespace' | 'name'>): string => `${pod.namespace}/${pod.name}`;

/** Who reaches whom: each source asks all its targets at once, itself left out. Row by row. */
export async function probeMatrix(from: readonly PodStatus[], to: readonly PodStatus[], options: MatrixOptions): Promise<Cell[]> {
  const rows = await Promise.all(from.map((source) => probeFrom(source, to.filter((target) => podName(target) !== podName(source)), options)));
  return rows.flat();
}

async function probeFrom(source: PodStatus, targets: readonly PodStatus[], { port, protocol, timeoutMs }: MatrixOptions): Promise<Cell[]> {
  const asked = targets.flatMap((target) => {
    const number = port ?? target.ports.find((one) => one.protocol === protocol)?.port;
    return number === undefined || target.ip === null ? [] : [{ to: podName(target), address: target.ip, port: number, protocol }];
  });
  if (asked.length === 0) return [];
  if (source.pid === null) throw new CanalError('CONFIG', `pod ${podName(source)} does not run`);
  const { file, args } = inside(placeOf(source.pid), [labBinary(), 'probe', String(timeoutMs), ...asked.map(targetText)]);
  const { stdout, stderr } = await run(file, args, { timeoutMs: timeoutMs + 10_000 });
  const answers = parseAnswers(stdout);
  if (answers.length !== asked.length) throw new CanalError('KERNEL', `probe from ${podName(source)} failed: ${stderr.trim()}`);
  return asked.map((target, i) => ({ from: podName(source), to: target.to, port: target.port, protocol, ...answers[i]! }));
}

export interface MatrixView {
  /** What a cell shows; the text `.` for pairs that were not probed. */
  readonly mark: (cell: Cell) => string;
}

/** The cells as a table: sources down, targets across. Marks may hold escape sequences; they count as one column each. */
export function matrixText(cells: readonly Cell[], { mark }: MatrixView): string {
  const sources = [...new Set(cells.map((cell) => cell.from))];
  const targets = [...new Set(cells.map((cell) => cell.to))].sort((a, b) => sources.indexOf(a) - sources.indexOf(b));
  const wide = Math.max(4, ...sources.map((name) => name.length));
  const widths = targets.map((name) => name.length);
  const head = `${''.padEnd(wide)}  ${targets.join('  ')}`;
  const rows = sources.map((from) => {
    const marks = targets.map((to, i) => {
      const cell = cells.find((one) => one.from === from && one.to === to);
      return (cell === undefined ? '.' : mark(cell)) + ' '.repeat(widths[i]! - 1);
    });
    return `${from.padEnd(wide)}  ${marks.join('  ')}`.trimEnd();
  });
  return [head, ...rows, ''].join('\n');
}
