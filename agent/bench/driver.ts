import type { Metric, Path } from './report.js';
import type { Entry } from './section.js';

/** One measurement that is asked of a contender. */
export interface Ask {
  readonly path: Path;
  readonly metric: Metric;
  readonly warmMs: number;
  readonly countMs: number;
  readonly perCpuSecond: boolean;
}

export interface Figure {
  readonly value: number;
  readonly unit: string;
}

/** Something that carries packets, ready to be measured. */
export interface Contender {
  /** @throws CanalError('KERNEL') where there is no figure: what was asked failed, or something else than the path was measured */
  measure(ask: Ask): Promise<Figure>;
  close(): Promise<void>;
}

/** Where contenders come from. */
export interface Driver {
  /** `id` is unique within the run. @throws CanalError after taking away what was made */
  create(entry: Entry, id: number): Promise<Contender>;
}
