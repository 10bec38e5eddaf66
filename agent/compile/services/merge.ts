import type { Family } from '../../base/address.js';
import type { EndpointSlice, ServicePort, SliceEndpoint } from '../../model/service.js';
import { backendText, type BackendAddress } from './rows.js';

/** An endpoint of one port of a service, with the port it has there. */
export interface PortEndpoint extends SliceEndpoint, BackendAddress {
  /** backendText. */
  readonly text: string;
}

/**
 * The endpoints of one service port in one family, from all slices of the
 * service, each once, sorted. Slices may contradict each other while an
 * endpoint moves from one to another, so what several say of it is put
 * together in a way that does not depend on their order.
 */
export function mergeEndpoints(slices: Iterable<EndpointSlice>, port: ServicePort, family: Family, nodeName: string): readonly PortEndpoint[] {
  const found = new Map<string, PortEndpoint>();
  for (const slice of slices) {
    if (slice.family !== family) continue;
    for (const { name, protocol, port: number } of slice.ports) {
      if (name !== port.name || protocol !== port.protocol) continue;
      for (const endpoint of slice.endpoints) {
        const text = backendText({ address: endpoint.address, port: number });
        const other = found.get(text);
        found.set(text, other === undefined ? { ...endpoint, port: number, text } : both(other, endpoint, nodeName));
      }
    }
  }
  return [...found.values()].sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
}

/** The word of the slice in which it is well counts; of two nodes, our own. */
function both(a: PortEndpoint, b: SliceEndpoint, nodeName: string): PortEndpoint {
  return {
    ...a,
    ready: a.ready || b.ready,
    serving: a.serving || b.serving,
    terminating: a.terminating && b.terminating,
    nodeName: a.nodeName === nodeName || b.nodeName === nodeName ? nodeName : smaller(a.nodeName, b.nodeName),
    zoneHints: union(a.zoneHints, b.zoneHints),
    nodeHints: union(a.nodeHints, b.nodeHints),
    target: smaller(a.target, b.target),
  };
}

/** Of those that say anything. */
const smaller = (a: string, b: string): string => (a === '' || (b !== '' && b < a) ? b : a);

const union = (a: readonly string[], b: readonly string[]): readonly string[] => [...new Set([...a, ...b])].sort();
