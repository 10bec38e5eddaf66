import type { PeerView } from '../../observe/views.js';
import { applied, hex, type AdminSources } from './sources.js';
import { addressOwners } from './owners.js';

/** What the maps say of addresses and prefixes. */
export function peersView(sources: AdminSources): PeerView[] {
  const owners = addressOwners(applied(sources));
  const peers = [...sources.loop.ledgers.peers.actual()].map(([peer, { row }]): PeerView => {
    const owner = owners.get(peer);
    return { peer, kind: owner?.kind ?? 'other', name: owner?.name ?? '', class: hex(row) };
  });
  const cidrs = [...sources.loop.ledgers.cidrs.actual()].map(([peer, { row }]): PeerView => ({ peer, kind: 'cidr', name: '', class: hex(row) }));
  return [...peers, ...cidrs].sort((a, b) => a.class.localeCompare(b.class) || a.peer.localeCompare(b.peer, 'en', { numeric: true }));
}
