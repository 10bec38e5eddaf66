import { json, text, type Handler } from './http-server.js';
import type { ConditionView } from './views.js';

/** What health is judged by. */
export interface HealthSource {
  conditions(): readonly ConditionView[];
  /** Conditions without which the agent must be restarted. */
  readonly vital: ReadonlySet<string>;
  /** Conditions without which pods must not be sent here. */
  readonly serving: ReadonlySet<string>;
}

/** Felix's pages (libcalico-go lib/health): 200 with a report, or 503. */
export function felixHealth(source: HealthSource): Handler {
  return (path) => {
    if (path === '/liveness') return report(source, source.vital);
    if (path === '/readiness') return report(source, source.serving);
    return undefined;
  };
}

/** flanneld's pages (main.go, mustRunHealthz). */
export function flannelHealth(source: HealthSource): Handler {
  return (path) => {
    if (path === '/healthz') return report(source, source.vital);
    if (path === '/readyz') return report(source, source.serving);
    return undefined;
  };
}

/** What kube-proxy says of its mode; it has no such mode. */
export const PROXY_MODE = 'canal';

/**
 * kube-proxy's pages, where its job is done here: /healthz and /livez, which load balancers of clouds ask, and /proxyMode.
 * @param appliedMs when rows were last brought in line, by `nowMs`'s clock
 */
export function proxyHealth(source: HealthSource, appliedMs: () => number, nowMs: () => number): Handler {
  return (path) => {
    if (path === '/proxyMode') return text(PROXY_MODE);
    if (path !== '/healthz' && path !== '/livez') return undefined;
    const ok = source.conditions().every((c) => c.ok || !(source.serving.has(c.name) || c.name === 'services'));
    return json({ lastUpdated: new Date(appliedMs()).toISOString(), currentTime: new Date(nowMs()).toISOString(), nodeEligible: true }, ok ? 200 : 503);
  };
}

function report(source: HealthSource, asked: ReadonlySet<string>): ReturnType<typeof text> {
  const conditions = source.conditions().filter((c) => asked.has(c.name));
  const lines = conditions.map((c) => `${c.ok ? 'ok    ' : 'NOT OK'} ${c.name}${c.message === '' ? '' : `: ${c.message}`}`);
  return text(lines.join('\n'), conditions.every((c) => c.ok) ? 200 : 503);
}
