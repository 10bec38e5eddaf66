import type { IpAddress } from '../../base/address.js';
import type { ConfigRow } from '../../compile/config.js';
import type { SourceView, TranslationView } from '../../observe/views.js';
import type { AppliedView } from '../apply-loop.js';
import type { AdminSources } from './sources.js';

/** A packet as policy sees it: to the backend, where a service was asked. */
export interface Leaving {
  readonly client: IpAddress;
  readonly to: IpAddress;
  readonly translation: TranslationView | null;
}

/**
 * The source that a packet has when it leaves this node, by the kernel's rows:
 * masquerade of what pods send out of the cluster, and the node's address for
 * who asks a service here whose backend is on another node. Null: it does not
 * leave, or began elsewhere and is only routed.
 */
export function sourceView({ loop, kernel }: AdminSources, view: AppliedView, { client, to, translation }: Leaving): SourceView | null {
  const { ledgers } = loop;
  const config = ledgers.config.actual().get('config')?.row;
  if (config === undefined) return null;
  const pod = (address: IpAddress): boolean => view.facts.endpoints.some(({ addresses }) => addresses.some((own) => own.equals(address)));
  const own = (address: IpAddress): boolean => view.facts.hostAddresses.some((one) => one.equals(address));
  const kept = (why: string): SourceView => ({ kind: 'kept', address: client.text, ports: '', why });
  const outside = translation?.from === 'outside' && translation.traced !== null;
  if (pod(to) || own(to)) return outside ? kept('the backend is on this node') : null;
  const hop = [...ledgers.nexthops.actual().values()].find(({ key }) => key.contains(to));
  if (outside) {
    const overlay = hop?.row.kind === 'overlay';
    return changed('node port', overlay ? overlayAddress(config, to) : nodeAddress(config, to), config, `the backend is on another node, reached ${overlay ? 'over the overlay' : 'over the uplink'}`) ?? kept('the node has no address of this family');
  }
  if (!pod(client)) return null;
  if (!config.masquerade) return kept('masquerade is off');
  const exempt = [...ledgers.nomasq.actual().values()].filter(({ key }) => key.contains(to)).sort((a, b) => b.key.length - a.key.length)[0]?.key;
  if (exempt !== undefined) return kept(`pods keep their address towards ${exempt.text}`);
  const way = kernel.routeTo(to)?.ifindex;
  const device = view.desired.outside.find(({ ifindex }) => ifindex === way);
  if (way !== undefined && device === undefined) return kept('the device that it leaves over is none of those that lead outside');
  const address = (to.family === 4 ? device?.address4 : device?.address6) ?? nodeAddress(config, to);
  return changed('masquerade', address, config, `a pod sends it out of the cluster${device === undefined ? '' : ` over ${device.name}`}; answers to who reached the pod under its own address keep that`) ?? kept('the node has no address of this family');
}

const nodeAddress = (config: ConfigRow, { family }: IpAddress): IpAddress | undefined => (family === 4 ? config.nodeAddress4 : config.nodeAddress6);
const overlayAddress = (config: ConfigRow, { family }: IpAddress): IpAddress | undefined => (family === 4 ? config.overlayAddress4 : config.overlayAddress6);

const changed = (kind: 'masquerade' | 'node port', address: IpAddress | undefined, { edgePortMin, edgePortMax }: ConfigRow, why: string): SourceView | undefined =>
  address === undefined ? undefined : { kind, address: address.text, ports: `${edgePortMin}-${edgePortMax}`, why };
