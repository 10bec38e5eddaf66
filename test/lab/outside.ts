import { dirname, join } from 'node:path';
import type { Lab } from '../../agent/lab/lab.js';
import { processesOf } from '../../agent/lab/machine/cgroup.js';
import { labBinary } from '../../agent/lab/machine/layout.js';
import { must, run } from '../../agent/lab/machine/process.js';
import { parseAnswers, targetText, type ProbeAnswer, type ProbeTarget } from '../../agent/lab/probe.js';

/** A place of the lab's network that is no node: where clients from outside the cluster are. */
export class Outside {
  readonly #enter: readonly string[];

  constructor(lab: Lab) {
    const [router] = processesOf(join(dirname(lab.node(1).cgroup), 'lan'));
    this.#enter = [`--net=/proc/${router}/ns/net`];
  }

  run(...command: string[]): Promise<string> {
    return must('nsenter', [...this.#enter, ...command]);
  }

  async ask(target: ProbeTarget, timeoutMs = 2000): Promise<ProbeAnswer> {
    // Its exit says whether all was open; so do its lines.
    const { stdout } = await run('nsenter', [...this.#enter, labBinary(), 'probe', '--read', String(timeoutMs), targetText(target)]);
    return parseAnswers(stdout)[0]!;
  }
}
