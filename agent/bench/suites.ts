import { sectionOf, type Section, type SectionPlan } from './section.js';
import type { Size } from './size.js';

/** What a named run measures. */
export interface Suite {
  readonly sections: readonly Section[];
  readonly rounds: number;
  readonly turns: number;
  readonly warmMs: number;
  readonly countMs: number;
}

export type SuiteName = 'smoke' | 'quick' | 'full';
export const SUITES: readonly SuiteName[] = ['smoke', 'quick', 'full'];

const size = (policies: number, cidrs: number, services = 0): Size => ({ policies, cidrs, services });
const PATHS = ['same', 'across'] as const;
const ALL = ['bare', 'limit', 'felix', 'felix-kubeproxy-iptables', 'felix-kubeproxy-nftables', 'canal-policy', 'canal-everything'];
const TCP = ['rr', 'crr', 'stream'] as const;
const OTHER = ['stream8', 'udp-rr', 'udp-pps', 'first-packet'] as const;
const KUBE_PROXY = ['felix-kubeproxy-iptables', 'felix-kubeproxy-nftables'];
const SERVED = ['bare', ...KUBE_PROXY, 'canal-everything'];

const common = { paths: PATHS, growth: false } satisfies Partial<SectionPlan>;

/** `smoke`: does it work; `quick`: minutes; `full`: everything at every size, an hour. */
export function suiteOf(name: SuiteName): Suite {
  switch (name) {
    case 'smoke': return { sections: smoke(), rounds: 1, turns: 1, warmMs: 10, countMs: 40 };
    case 'quick': return { sections: quick(), rounds: 7, turns: 8, warmMs: 20, countMs: 400 };
    case 'full': return { sections: full(), rounds: 7, turns: 8, warmMs: 20, countMs: 400 };
  }
}

function smoke(): Section[] {
  return [
    sectionOf({ ...common, contenders: ALL, sizes: [size(2, 10)], against: ['bare'], metrics: TCP }),
    sectionOf({ ...common, contenders: SERVED, sizes: [size(2, 10, 10)], against: ['bare'], metrics: ['rr', 'crr', 'stream8', 'udp-rr', 'udp-pps', 'first-packet'] }),
  ];
}

function quick(): Section[] {
  return [
    sectionOf({ ...common, contenders: ALL, sizes: [size(10, 100)], against: ['bare', 'felix'], metrics: TCP }),
    sectionOf({ ...common, contenders: ['bare', 'felix', 'canal-everything'], sizes: [size(10, 100)], against: ['bare', 'felix'], metrics: OTHER }),
    sectionOf({ ...common, contenders: ['canal-everything'], sizes: [size(1, 1), size(1000, 100_000)], against: [], growth: true, paths: ['across'], metrics: TCP }),
    sectionOf({ ...common, contenders: SERVED, sizes: [size(10, 100, 10), size(10, 100, 10_000)], against: ['bare', ...KUBE_PROXY], growth: true, metrics: ['crr'] }),
  ];
}

/** Who translates services besides differs from who does not in how many services there are, not in policies: at one size it is shown that they do no more than that. */
function full(): Section[] {
  const first = size(10, 100);
  const others = [size(1, 10), size(100, 1000), size(1000, 10_000), size(1000, 100_000)];
  return [
    sectionOf({ ...common, contenders: ALL, sizes: [first], against: ['bare', 'felix'], metrics: [...TCP, ...OTHER] }),
    ...others.map((each) => sectionOf({ ...common, contenders: ['bare', 'felix', 'canal-everything'], sizes: [each], against: ['bare', 'felix'], metrics: [...TCP, ...OTHER] })),
    sectionOf({ ...common, contenders: ['felix', 'canal-everything'], sizes: [size(1, 1), ...others.slice(1)], against: [], growth: true, metrics: TCP }),
    sectionOf({ ...common, contenders: SERVED, sizes: [10, 1000, 10_000].map((services) => size(10, 100, services)), against: ['bare', ...KUBE_PROXY], growth: true, metrics: ['rr', 'crr', 'stream', 'udp-rr', 'first-packet'] }),
  ];
}
