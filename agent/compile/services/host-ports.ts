import type { IpAddress } from '../../base/address.js';
import { contentId } from '../../base/hash.js';
import type { HostPort, Pod } from '../../model/objects.js';
import { EVERY_ADDRESS } from './faces.js';
import { frontText, type FrontRow } from './rows.js';
import { NOTHING, setKey, type BackendSet, type Claim, type CompiledService } from './service.js';

/**
 * A pod of this node by its hostPorts: from everywhere, without regard to
 * readiness, as the portmap plugin does it. Pure.
 * @param addresses as CNI gave them: known before the API server has them
 */
export function compileHostPorts(pod: Pod, addresses: readonly IpAddress[]): CompiledService {
  if (pod.hostPorts.length === 0 || pod.finished || pod.hostNetwork) return NOTHING;
  const sets = new Map<string, BackendSet>();
  const claims = new Map<string, Claim>();
  const name = `${pod.namespace}/${pod.name}`;
  for (const port of pod.hostPorts) {
    for (const address of addresses) {
      if (port.hostIp !== undefined && port.hostIp.family !== address.family) continue;
      const set: BackendSet = { id: hostPortSet(name, port), family: address.family, slots: [{ address, port: port.port }] };
      sets.set(setKey(set.id, set.family), set);
      const row: FrontRow = { service: set.id, backends: 1, affinityS: 0, dropEmpty: false, sourceRanges: false, hashed: false, nodeApart: false };
      for (const scope of ['inside', 'outside'] as const) {
        const key = { address: port.hostIp ?? EVERY_ADDRESS[address.family], port: port.hostPort, protocol: port.protocol, scope };
        if (!claims.has(frontText(key))) claims.set(frontText(key), { service: name, rank: 'hostPort', key, row });
      }
    }
  }
  return { ...NOTHING, sets, claims };
}

const hostPortSet = (pod: string, { hostIp, hostPort, protocol }: HostPort): bigint => contentId(`HostPort/${pod}/${hostIp?.text ?? ''}/${hostPort}/${protocol}`);
