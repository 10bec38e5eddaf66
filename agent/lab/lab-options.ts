import type { LogLevel } from '../base/log.js';
import type { NodeFile } from './network-config.js';

/** What a lab shall be like. */
export interface LabOptions {
  readonly name: string;
  readonly nodes?: number;
  /** The lab's files; by default below /run. */
  readonly dir?: string;
  /** File of an API server that is there already, instead of the embedded one. */
  readonly kubeconfig?: string;
  readonly podCidr?: string;
  readonly serviceCidr?: string;
  /** A name server for the cluster's names, as service kube-system/kube-dns. */
  readonly dns?: boolean;
  /** Port of the embedded API server on the machine's loopback; any free one by default. */
  readonly apiPort?: number;
  /** False: no agent is started; nodes are ready then only if `nodeFiles` bring a network. */
  readonly agent?: boolean;
  readonly agentArgs?: readonly string[];
  readonly agentEnv?: Readonly<Record<string, string>>;
  /** Files on each node, instead of canal's own network configuration. */
  readonly nodeFiles?: (node: string, index: number) => readonly NodeFile[];
  readonly logLevel?: LogLevel;
  /** Told what is being done, for people. */
  readonly progress?: (line: string) => void;
}
