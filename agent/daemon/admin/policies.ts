import { contentId } from '../../base/hash.js';
import type { NodeFacts } from '../../compile/desired.js';
import { selects } from '../../compile/policy/in-force.js';
import { namesNamespace, ruleName, type Direction, type Peer, type Policy, type PodSelection, type PortMatch, type Rule, type ServiceMatch } from '../../model/policy.js';
import { selectorText } from '../../model/selector.js';
import type { Snapshot } from '../../model/snapshot.js';
import type { PolicyView, RuleView } from '../../observe/views.js';
import type { Counter } from '../program-maps.js';
import { protocolName } from './protocols.js';
import { applied, hex, type AdminSources } from './sources.js';

/** All policies, or those on one local pod (`?pod=NAMESPACE/NAME`), with what their rules have judged here. */
export function policiesView(sources: AdminSources, query: URLSearchParams): PolicyView[] {
  const { snapshot, facts } = applied(sources);
  const counters = sources.kernel.maps.rules();
  const pod = query.get('pod');
  return [...snapshot.policies.values()]
    .map((policy) => policyView(policy, localPods(policy, snapshot, facts), counters))
    .filter((view) => pod === null || view.pods.includes(pod))
    .sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1));
}

function policyView(policy: Policy, pods: readonly string[], counters: ReadonlyMap<bigint, Counter>): PolicyView {
  const { kind, namespace, name } = policy.key;
  const rules = (direction: Direction): RuleView[] => policy[direction].map((rule, index) => ruleView(policy, direction, index, rule, counters));
  return {
    kind, namespace, name, pods,
    tier: policy.tier,
    subject: selectionText(policy.subject),
    directions: policy.directions,
    rules: policy.directions.flatMap(rules),
  };
}

function ruleView(policy: Policy, direction: Direction, index: number, rule: Rule, counters: ReadonlyMap<bigint, Counter>): RuleView {
  const id = contentId(ruleName(policy.key, direction, index));
  const counter = counters.get(id);
  return { id: hex(id), direction, index, text: ruleText(direction, rule), packets: counter?.packets ?? 0, bytes: counter?.bytes ?? 0 };
}

function localPods(policy: Policy, snapshot: Snapshot, facts: NodeFacts): string[] {
  return facts.endpoints.flatMap(({ namespace, pod }) => {
    const object = snapshot.pods.get(`${namespace}/${pod}`);
    return object !== undefined && selects(policy.subject, object, snapshot.namespaces.get(namespace)) ? [`${namespace}/${pod}`] : [];
  });
}

/** A rule in one line: `allow from pods app in {"web"} of shop: TCP 80,443`. */
function ruleText(direction: Direction, rule: Rule): string {
  const peers = rule.peers.length === 0 ? 'anywhere' : rule.peers.map(peerText).join(' or ');
  const services = rule.services.length === 0 ? '' : `: ${rule.services.map(serviceText).join('; ')}`;
  return `${rule.action} ${direction === 'ingress' ? 'from' : 'to'} ${peers}${services}`;
}

function peerText(peer: Peer): string {
  const parts: string[] = [];
  if (peer.selection !== undefined) parts.push(selectionText(peer.selection));
  if (peer.nets !== undefined) parts.push(`nets ${peer.nets.map(String).join(',')}`);
  if (peer.notNets !== undefined && peer.notNets.length > 0) parts.push(`except ${peer.notNets.map(String).join(',')}`);
  return parts.join(' ') || 'anywhere';
}

function selectionText({ namespaces, pods }: PodSelection): string {
  const where = namesNamespace(namespaces) ? namespaces.name : `namespaces ${selectorText(namespaces)}`;
  return `pods ${selectorText(pods)} of ${where}`;
}

function serviceText({ protocol, ports }: ServiceMatch): string {
  const port = (match: PortMatch): string => ('name' in match ? match.name : match.from === match.to ? String(match.from) : `${match.from}-${match.to}`);
  return `${protocolName(protocol)}${ports.length === 0 ? '' : ` ${ports.map(port).join(',')}`}`;
}
