import { compile, type DesiredState } from '../compile/compile.js';
import type { NodeFacts, PolicyState } from '../compile/desired.js';
import { EndpointCompiler } from '../compile/endpoints/endpoints.js';
import { PolicyCompiler } from '../compile/policy/compiler.js';
import type { AgentSettings } from '../model/settings.js';
import type { Snapshot } from '../model/snapshot.js';
import { sameFacts, type KernelFacts } from './kernel-facts.js';
import type { KernelLook } from './kernel-watch.js';
import type { LocalEndpoints } from './local-endpoints.js';
import type { OverlayPlanner, PlannedOverlay } from './overlay-planner.js';

export interface NodeCompilerOptions {
  readonly planner: OverlayPlanner;
  readonly endpoints: LocalEndpoints;
  readonly settings: AgentSettings;
}

/** A desired state and what it was made of. */
export interface Compiled {
  readonly facts: NodeFacts;
  readonly planned: PlannedOverlay;
  readonly desired: DesiredState;
}

/** Snapshot and kernel to the desired state of all tables but services'. Remembers the last one, and looks only at what has changed since. */
export class NodeCompiler {
  readonly #policy = new PolicyCompiler();
  readonly #pods: EndpointCompiler;
  #last: (Compiled & { readonly known: KernelFacts; readonly nodes: Snapshot['nodes'] }) | undefined;

  constructor(private readonly options: NodeCompilerOptions) {
    this.#pods = new EndpointCompiler(options.settings);
  }

  compile(snapshot: Snapshot, { facts: known, routesMoved }: KernelLook): Compiled {
    const { planner, endpoints, settings } = this.options;
    const last = this.#last;
    const found = endpoints.found(known.devices, settings.interfacePrefix);
    const facts = sameFacts(last?.facts, { nodeName: settings.nodeName, ...found, hostAddresses: known.hostAddresses });
    const replan = routesMoved || last?.known.node !== known.node || last.nodes !== snapshot.nodes;
    const planned = replan ? planner.plan(snapshot, known.node.devices, known.node.addresses, routesMoved) : last.planned;
    const policy = this.#policy.compile(snapshot, facts);
    const pods = this.#pods.sync({ endpoints: facts.endpoints, up: known.up, policy });
    const rest = last !== undefined && last.planned === planned && last.facts.strangers === facts.strangers && last.facts.hostAddresses === facts.hostAddresses;
    const desired = rest ? { ...last.desired, pods, policy } : compile({ facts, pods, policy, ...planned, settings });
    const compiled = { facts, planned, desired };
    this.#last = { ...compiled, known, nodes: snapshot.nodes };
    return compiled;
  }

  /** The last state under another policy. */
  under(policy: PolicyState): DesiredState {
    const { facts, known, desired } = this.#last!;
    return { ...desired, pods: this.#pods.sync({ endpoints: facts.endpoints, up: known.up, policy }), policy };
  }
}
