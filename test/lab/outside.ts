import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
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

  /** A program that goes on there; whoever starts it ends it. */
  spawn(...command: string[]): ChildProcess {
    return spawn('nsenter', [...this.#enter, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  async ask(target: ProbeTarget, timeoutMs = 2000): Promise<ProbeAnswer> {
    // Its exit says whether all was open; so do its lines.
    const { stdout } = await run('nsenter', [...this.#enter, labBinary(), 'probe', '--read', String(timeoutMs), targetText(target)]);
    return parseAnswers(stdout)[0]!;
  }
}

const ROUTER = '203.0.113.129';

/** A machine behind the lab's router, over a link that takes smaller packets from there than it says itself. */
export class Beyond {
  readonly address = '203.0.113.130';

  private constructor(
    private readonly keeper: ChildProcess,
    private readonly enter: readonly string[],
  ) {}

  /** @param mtu of what the router sends */
  static async behind(outside: Outside, mtu: number): Promise<Beyond> {
    // Ends by itself where nobody closes it.
    const keeper = outside.spawn('unshare', '--net', 'sh', '-c', 'echo ready; exec sleep 600');
    await once(keeper.stdout!, 'data');
    const made = new Beyond(keeper, [`--net=/proc/${keeper.pid}/ns/net`]);
    await outside.run('ip', 'link', 'add', 'beyond', 'mtu', String(mtu), 'type', 'veth', 'peer', 'name', 'eth0', 'mtu', '1500', 'netns', String(keeper.pid));
    await outside.run('ip', 'address', 'add', `${ROUTER}/30`, 'dev', 'beyond');
    await outside.run('ip', 'link', 'set', 'beyond', 'up');
    await outside.run('sysctl', '-qw', 'net.ipv4.ip_forward=1');
    await made.run('ip', 'address', 'add', `${made.address}/30`, 'dev', 'eth0');
    await made.run('ip', 'link', 'set', 'eth0', 'up');
    await made.run('ip', 'route', 'add', 'default', 'via', ROUTER);
    return made;
  }

  run(...command: string[]): Promise<string> {
    return must('nsenter', [...this.enter, ...command]);
  }

  async close(): Promise<void> {
    const gone = once(this.keeper, 'exit');
    this.keeper.kill('SIGKILL');
    await gone;
  }
}
