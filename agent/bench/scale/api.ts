import type { ScaleOrder } from './scale-node.js';
import { isolated, type ScaleScenario } from './scale.js';

/** `heartbeats`: every node reports each five minutes, as kubelets do; `pod-events`: 50 a second; `node-memory`: what the agent's heap holds for a node more. */
export type ApiMetric =
  | 'start' | 'rest' | 'node-heartbeat' | 'node-move' | 'node-add' | 'node-gone' | 'pod-status' | 'pod-label'
  | 'heartbeats' | 'pod-events' | 'node-memory' | 'resident' | 'server-resident';

export interface ApiFigure {
  readonly metric: ApiMetric;
  readonly unit: 'ms' | 'MB' | 'B/s' | 'B';
  readonly value: number;
  readonly p99?: number;
  /** Processor time of the agent, of one change (with all that follows from it; the median) or of a second; ms. */
  readonly cpu?: number;
  readonly cpuP99?: number;
  /** Read from the API server: of one change, or of all of `start`. */
  readonly bytes?: number;
  readonly perSecond?: number;
}

export interface ApiOrder extends ScaleOrder {
  /** Of rest and of steady events. */
  readonly seconds: number;
}

const size = (nodes: number, pods: number) => ({ nodes, pods, localPods: Math.min(30, pods / 10), namespaces: 100, policies: 500, cidrs: 0, services: 0 });

/** Clusters in the embedded API server; ten pods a node. */
export const API_SCENARIOS: readonly ScaleScenario[] = [
  { name: 'nodes-20', size: { ...size(20, 200), namespaces: 10, policies: 20 }, memoryGb: 16 },
  { name: 'nodes-100', size: size(100, 1000), memoryGb: 16 },
  { name: 'nodes-1000', size: size(1000, 10_000), memoryGb: 16 },
  { name: 'nodes-5000', size: size(5000, 50_000), memoryGb: 16 },
];

/** What following an API server costs the agent of one node: time, processor, bytes. @throws CanalError('KERNEL') with what a process said */
export const measureApi = (order: Omit<ApiOrder, 'bpffs'>): Promise<readonly ApiFigure[]> => isolated('api-node-process.js', order);
