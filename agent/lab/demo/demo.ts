import { statusOf } from '../control-client.js';
import { launch } from '../launcher.js';
import { cli } from '../machine/layout.js';
import { inside } from '../machine/place.js';
import { manifestText } from '../manifest-text.js';
import { must, run } from '../machine/process.js';
import { matrixText, probeMatrix, type Cell } from '../matrix.js';
import { destroy } from '../state.js';
import type { LabStatus, PodStatus } from '../status.js';
import { placeOfTarget } from '../targets.js';
import { DemoConsole } from './console.js';
import { measureEnforcement } from './enforcement.js';
import { expected, manifest, MANIFESTS } from './shop.js';
import { benchPods, measureThroughput } from './throughput.js';

export interface DemoOptions {
  readonly name: string;
  /** Leave the lab running. */
  readonly keep: boolean;
  /** Measure throughput too (some 15 s). */
  readonly throughput: boolean;
}

/** Policy must be in force this soon after kubectl has returned. */
const ENFORCED_WITHIN_MS = 1_000;
/** A table's first rows are enough to see what is in it. */
const SHOWN_ROWS = 24;

/** Shows a cluster without and with policies, and checks all that it shows; resolves with the exit status. */
export async function runDemo(options: DemoOptions): Promise<number> {
  const out = new DemoConsole(process.stdout);
  let up = false;
  try {
    out.heading('A cluster of two nodes');
    await destroy(options.name);
    up = true;
    const status = await launch({ name: options.name, nodes: 2 }, (line) => out.progress(line));
    await showPolicies(out, options.name, status);
    await showTrace(out, await statusOf(options.name));
    await showTables(out, status);
    if (options.throughput) await showThroughput(out, options.name, status);
  } catch (error) {
    out.check(false, error instanceof Error ? error.message : String(error));
  }
  if (up) await finish(out, options);
  return out.failures === 0 ? 0 : 1;
}

async function showPolicies(out: DemoConsole, name: string, { kubeconfig }: LabStatus): Promise<void> {
  out.heading(`A shop in three namespaces, and an attacker: kubectl apply -f ${MANIFESTS.shop}`);
  out.text(await kubectl(kubeconfig, ['apply', '-f', manifest(MANIFESTS.shop)]));
  await kubectl(kubeconfig, ['wait', '--for=condition=Ready', 'pod', '--all', '-A', '--timeout=30s']);
  out.text(await kubectl(kubeconfig, ['get', 'pods', '-A', '-o', 'wide']));
  const { pods } = await statusOf(name);

  out.heading('Who reaches whom without a policy');
  await showMatrix(out, pods, false);

  out.heading(`The shop's policies: kubectl apply -f ${MANIFESTS.policies}`);
  const { applyMs, lastWrongMs, settledMs } = await measureEnforcement(pods, kubeconfig, manifest(MANIFESTS.policies), (cell) => expected(cell, true));
  out.progress(`kubectl took ${Math.round(applyMs)} ms for all of them`);
  const last = lastWrongMs > 0 ? `${Math.round(lastWrongMs)} ms after` : `${Math.round(-lastWrongMs)} ms before`;
  out.check(lastWrongMs < ENFORCED_WITHIN_MS, `the last forbidden connection passed ${last} kubectl returned`);
  out.check(settledMs < ENFORCED_WITHIN_MS, `every pair was right in a round of probes that began ${Math.round(settledMs)} ms after it returned`);

  out.heading('Who reaches whom with the policies');
  await showMatrix(out, pods, true);
}

async function showMatrix(out: DemoConsole, pods: readonly PodStatus[], policies: boolean): Promise<void> {
  for (const protocol of ['TCP', 'UDP'] as const) {
    const cells = await probeMatrix(pods, pods, { protocol, timeoutMs: 700 });
    const right = (cell: Cell): boolean => cell.allowed === expected(cell, policies);
    const mark = (cell: Cell): string => (right(cell) ? (cell.allowed ? out.good('Y') : 'X') : out.bad(cell.allowed ? '!' : '?'));
    out.text(`${protocol}: sources down, targets across\n${matrixText(cells, { mark })}`);
    const wrong = cells.filter((cell) => !right(cell));
    const allowed = cells.filter((cell) => cell.allowed).length;
    const detail = wrong.map((cell) => `${cell.from} -> ${cell.to}:${cell.port} was ${cell.outcome}`).join(', ');
    out.check(wrong.length === 0 && cells.length === pods.length * (pods.length - 1), `${protocol}: ${allowed} of ${cells.length} pairs pass, as expected${detail === '' ? '' : ` except: ${detail}`}`);
  }
  out.text('Y reached, X not, ! reached and must not be, ? not reached and should be, . not asked\n');
}

async function showTrace(out: DemoConsole, status: LabStatus): Promise<void> {
  const questions = [
    { from: 'outside/attacker', to: 'data/database', port: 5432, allow: false },
    { from: 'shop/api', to: 'data/database', port: 5432, allow: true },
  ];
  for (const { from, to, port, allow } of questions) {
    out.heading(`Why? canal trace --from ${from} --to ${to} --protocol TCP --port ${port}`);
    // On the receiver's node: there all of its policies are in force.
    const node = status.pods.find((pod) => `${pod.namespace}/${pod.name}` === to)!.node;
    const ask = (more: readonly string[]): Promise<string> => onNode(status, node, [process.execPath, cli(), 'trace', '--from', from, '--to', to, '--protocol', 'TCP', '--port', String(port), ...more]);
    out.text(await ask([]));
    const view = JSON.parse(await ask(['--json'])) as { allow?: boolean };
    out.check(view.allow === allow, `trace says ${view.allow === true ? 'allowed' : 'denied'}`);
  }
}

async function showTables(out: DemoConsole, status: LabStatus): Promise<void> {
  for (const map of ['canal_table', 'canal_rule']) {
    out.heading(`The decision tables of node1: bpftool map dump pinned /sys/fs/bpf/canal/${map}`);
    const dump = await onNode(status, 'node1', ['sh', '-c', `bpftool map dump pinned "$(find /sys/fs/bpf/canal -name ${map} | head -1)"`]);
    const lines = dump.trimEnd().split('\n');
    out.text(`${lines.slice(0, SHOWN_ROWS).join('\n')}\n${lines.length > SHOWN_ROWS ? `… ${lines.length - SHOWN_ROWS} more lines\n` : ''}`);
    out.check(/"key":/.test(dump) && /"value":/.test(dump), `${map} has rows with the names of their fields`);
  }
}

async function showThroughput(out: DemoConsole, name: string, { kubeconfig }: LabStatus): Promise<void> {
  out.heading('One TCP stream with and without policies (iperf3, in turns, medians)');
  await kubectl(kubeconfig, ['apply', '-f', '-'], manifestText(benchPods()));
  await kubectl(kubeconfig, ['wait', '--for=condition=Ready', 'pod', '--all', '-n', 'bench', '--timeout=30s']);
  const results = await measureThroughput(await statusOf(name));
  for (const { path, without, with: policed } of results) {
    out.text(`${path.padEnd(12)}  without ${without.toFixed(2)} Gbit/s   with ${policed.toFixed(2)} Gbit/s   ratio ${(policed / without).toFixed(2)}\n`);
    out.check(without > 0 && policed > 0, `${path}: traffic flowed both ways`);
  }
  await kubectl(kubeconfig, ['delete', 'namespace', 'bench', '--wait=false']);
}

async function finish(out: DemoConsole, { name, keep }: DemoOptions): Promise<void> {
  out.heading(out.failures === 0 ? out.good('Everything matched') : out.bad(`${out.failures} checks failed`));
  if (!keep) {
    await destroy(name);
    out.text('The lab is gone again. KEEP=1 leaves it running.\n');
    return;
  }
  const option = name === 'demo' ? '' : ` --name ${name}`;
  out.text(`The lab is still there. To play on:
  $(npx canal lab status${option} | head -1)
  kubectl get pods -A -o wide
  kubectl exec -n shop frontend -- curl -sm1 $(kubectl get pod -n shop api -o jsonpath={.status.podIP}):8080
  npx canal lab probe${option}
  npx canal lab exec${option} node1 -- ${process.execPath} ${cli()} status
  npx canal lab down${option}
`);
}

function onNode(status: LabStatus, node: string, command: readonly string[]): Promise<string> {
  const { file, args } = inside(placeOfTarget(status, node), command);
  return must(file, args);
}

async function kubectl(kubeconfig: string, args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await run('kubectl', args, { input, env: { ...process.env, KUBECONFIG: kubeconfig }, timeoutMs: 60_000 });
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr.trim()}`);
  return stdout;
}
