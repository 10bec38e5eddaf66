import { isIPv6 } from 'node:net';
import type { Clock } from '../../base/clock.js';
import { labBinary } from '../machine/layout.js';
import { inside, type Place } from '../machine/place.js';
import { run } from '../machine/process.js';
import type { Container, Probe } from '../world/objects.js';

export interface ProbeTarget {
  readonly container: Container;
  readonly podIP: string;
  /** The node: network probes come from there, as the kubelet's do. */
  readonly node: Place;
  /** The container: exec probes run in it. */
  readonly inside: Place;
  readonly env: Readonly<Record<string, string>>;
}

/** Probes again and again until the signal aborts, and reports each time the verdict changes. */
export async function probeForever(probe: Probe, target: ProbeTarget, clock: Clock, signal: AbortSignal, report: (healthy: boolean) => void): Promise<void> {
  const { initialDelaySeconds = 0, periodSeconds = 10, successThreshold = 1, failureThreshold = 3 } = probe;
  let streak = 0;
  let last: boolean | undefined;
  let verdict: boolean | undefined;
  await clock.sleep(initialDelaySeconds * 1000, signal);
  while (!signal.aborted) {
    const healthy = await probeOnce(probe, target);
    if (signal.aborted) return;
    streak = healthy === last ? streak + 1 : 1;
    last = healthy;
    if (healthy !== verdict && streak >= (healthy ? successThreshold : failureThreshold)) {
      verdict = healthy;
      report(healthy);
    }
    await clock.sleep(periodSeconds * 1000, signal);
  }
}

/** One try. TLS is not spoken: an HTTPS probe is a connection that opens, as is a gRPC one. */
export async function probeOnce(probe: Probe, target: ProbeTarget): Promise<boolean> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  if (probe.exec !== undefined) {
    const { file, args } = inside(target.inside, probe.exec.command);
    return (await run(file, args, { env: target.env, timeoutMs })).code === 0;
  }
  const request = networkProbe(probe, target);
  if (request === undefined) return false;
  const http = request.startsWith('http:');
  // A TCP probe is content with the connection: servers that are asked first say nothing.
  const { file, args } = inside(target.node, [labBinary(), 'probe', ...(http ? ['--read'] : []), String(timeoutMs), request]);
  const { code, stdout } = await run(file, args, { timeoutMs: timeoutMs + 1_000 });
  if (!http) return code === 0;
  const status = Number(/HTTP\/1\.[01] (\d+)/.exec(stdout)?.[1]);
  return status >= 200 && status < 400;
}

/** What canal-lab shall try; undefined where the probe names a port that the container does not have. */
export function networkProbe(probe: Probe, target: Pick<ProbeTarget, 'container' | 'podIP'>): string | undefined {
  const at = (host: string | undefined, port: number | undefined): string | undefined => {
    const address = host ?? target.podIP;
    return port === undefined ? undefined : `${isIPv6(address) ? `[${address}]` : address}:${port}`;
  };
  const portOf = (port: number | string): number | undefined =>
    typeof port === 'number' ? port : (target.container.ports?.find(({ name }) => name === port)?.containerPort ?? (/^\d+$/.test(port) ? Number(port) : undefined));
  if (probe.httpGet !== undefined) {
    const { host, port, path = '/', scheme = 'HTTP' } = probe.httpGet;
    const where = at(host, portOf(port));
    if (where === undefined) return undefined;
    return scheme === 'HTTPS' ? `tcp:${where}` : `http:${where}${path.startsWith('/') ? path : `/${path}`}`;
  }
  const where = probe.tcpSocket !== undefined ? at(probe.tcpSocket.host, portOf(probe.tcpSocket.port)) : at(undefined, probe.grpc?.port);
  return where === undefined ? undefined : `tcp:${where}`;
}
