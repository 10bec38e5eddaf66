import type { Lab } from '../../../agent/lab/lab.js';
import type { ProbeProtocol } from '../../../agent/lab/probe.js';
import { addressOf, applyPolicy, createNamespace, createPod, deletePods, deletePolicies, labelNamespace, labelPod, split, type Port } from '../../lab/cluster.js';
import { eventually } from '../../lab/eventually.js';
import type { NetpolCase, Step } from './cases.js';
import { ALL_PODS, NAMESPACES, all, type Reachability } from './reachability.js';

/** How long a change may take until every node enforces it. The suite itself waits for minutes. */
const CONVERGENCE_MS = 2_000;
/** What has not passed by then is denied: an answer takes well under a millisecond. */
const PROBE_MS = 250;

const PORTS: readonly Port[] = [80, 81].flatMap((port) => (['TCP', 'UDP'] as const).map((protocol): Port => [port, protocol, `serve-${port}-${protocol.toLowerCase()}`]));

/** The suite's nine pods in a lab, each on the node that `nodeOf` says. */
export class NetpolWorld {
  constructor(private readonly lab: Lab) {}

  async createNamespaces(): Promise<void> {
    await Promise.all(NAMESPACES.map((name) => createNamespace(this.lab, name, { ns: name })));
  }

  async createPods(nodeOf: (index: number) => string): Promise<void> {
    await Promise.all(ALL_PODS.map((who, index) => createPod(this.lab, who, { node: nodeOf(index), labels: { pod: split(who)[1] }, ports: PORTS })));
    await this.lab.podsReady();
  }

  async deletePods(): Promise<void> {
    await deletePods(this.lab, ALL_PODS);
  }

  async run({ steps }: NetpolCase): Promise<void> {
    for (const step of steps({ address: (who) => addressOf(this.lab, who) })) await this.take(step);
  }

  /** No policies, first labels, everybody reaches everybody: what the next case starts from. */
  async reset({ steps }: NetpolCase): Promise<void> {
    await deletePolicies(this.lab);
    for (const step of steps({ address: (who) => addressOf(this.lab, who) })) {
      if (!('label' in step)) continue;
      const removed = Object.fromEntries(Object.keys(step.labels).map((key) => [key, null]));
      await (step.label === 'pod' ? labelPod(this.lab, step.name, removed) : labelNamespace(this.lab, step.name, removed));
    }
    await this.expect(all(), 'TCP', 80);
  }

  private async take(step: Step): Promise<void> {
    if ('apply' in step) return applyPolicy(this.lab, step.namespace, step.apply);
    if ('deletePolicies' in step) return deletePolicies(this.lab, step.deletePolicies);
    if ('label' in step) return step.label === 'pod' ? labelPod(this.lab, step.name, step.labels) : labelNamespace(this.lab, step.name, step.labels);
    return this.expect(step.expect, step.protocol, step.port);
  }

  /** The whole matrix holds within the deadline, and nothing that is denied passes after that. */
  private async expect(expected: Reachability, protocol: ProbeProtocol, port: number): Promise<void> {
    await eventually(`${protocol} ${port}`, () => this.differences(expected, protocol, port), { withinMs: CONVERGENCE_MS, everyMs: 0 });
    const passed = (await this.differences(expected, protocol, port)).filter((one) => one.includes('denied, but'));
    if (passed.length > 0) throw new Error(`passed after the matrix had held: ${passed.join('; ')}`);
  }

  private async differences(expected: Reachability, protocol: ProbeProtocol, port: number): Promise<string[]> {
    const pairs = [...expected.pairs()];
    const found = await Promise.all(
      ALL_PODS.map(async (from) => {
        const mine = pairs.filter((pair) => pair.from === from);
        const [namespace, pod] = split(from);
        const answers = await this.lab.probe({ namespace, pod }, mine.map(({ to }) => ({ address: to, port, protocol })), { timeoutMs: PROBE_MS });
        return mine.flatMap(({ to, allowed }, i) => complaint(`${from} -> ${to}`, allowed, answers[i]!.outcome));
      }),
    );
    return found.flat();
  }
}

function complaint(pair: string, allowed: boolean, outcome: string): string[] {
  if (allowed) return outcome === 'open' ? [] : [`${pair}: allowed, but ${outcome}`];
  return outcome === 'timeout' ? [] : [`${pair}: denied, but ${outcome}`];
}
