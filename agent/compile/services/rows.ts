import type { Cidr, Family, IpAddress } from '../../base/address.js';
import type { ProtocolNumber } from '../../model/objects.js';

/** Whose packets a front is for: those of pods and the node's own processes, what comes in from elsewhere, or the node's own processes where they are apart (`nodeApart`). */
export type FrontScope = 'inside' | 'outside' | 'node';

/** Where clients send to. Key of canal_front4/6. */
export interface FrontKey {
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: ProtocolNumber;
  readonly scope: FrontScope;
}

export interface FrontRow {
  /** Id of the set of backends. */
  readonly service: bigint;
  /** How many; slots 0 to backends-1 are filled. 0: refused at once. */
  readonly backends: number;
  /** Seconds; 0: none. */
  readonly affinityS: number;
  /** Without backends: dropped instead of refused. */
  readonly dropEmpty: boolean;
  /** Only for clients in a range of this set. */
  readonly sourceRanges: boolean;
  /** The slot is a hash of the packet's ends, not at random: the slots are a Maglev table. */
  readonly hashed: boolean;
  /** Of scope inside: for the node's own processes the front of scope node with the same key counts. */
  readonly nodeApart: boolean;
}

export interface BackendAddress {
  readonly address: IpAddress;
  readonly port: number;
}

/** Key of canal_back4/6, whose row is a backend. */
export interface BackKey {
  readonly family: Family;
  readonly service: bigint;
  readonly slot: number;
}

/** Key of canal_live4/6: the same backends by address. */
export interface LiveKey {
  readonly service: bigint;
  readonly backend: BackendAddress;
}

/** Key of canal_range4/6: who may use the fronts of a set that ask for it. */
export interface RangeKey {
  readonly service: bigint;
  readonly cidr: Cidr;
}

/** What became of one table's rows since the last time. */
export interface RowChanges<Key, Row> {
  readonly put: readonly { readonly key: Key; readonly row: Row }[];
  readonly gone: readonly Key[];
}

export interface ServiceChanges {
  readonly fronts: RowChanges<FrontKey, FrontRow>;
  readonly backs: RowChanges<BackKey, BackendAddress>;
  readonly live: RowChanges<LiveKey, 0>;
  readonly ranges: RowChanges<RangeKey, 0>;
}

// ---- canonical texts of keys, by which rows of the kernel and of compile are the same

export const backendText = ({ address, port }: BackendAddress): string => (address.family === 4 ? `${address.text}:${port}` : `[${address.text}]:${port}`);
export const frontText = ({ address, port, protocol, scope }: FrontKey): string => `${backendText({ address, port })}/${protocol}${scope === 'inside' ? '' : ` ${scope}`}`;
export const backText = ({ family, service, slot }: BackKey): string => `${service.toString(16)}/${family}/${slot}`;
export const liveText = ({ service, backend }: LiveKey): string => `${service.toString(16)}/${backendText(backend)}`;
export const rangeText = ({ service, cidr }: RangeKey): string => `${service.toString(16)}/${cidr.text}`;

export const sameFront = (a: FrontRow, b: FrontRow): boolean =>
  a.service === b.service && a.backends === b.backends && a.affinityS === b.affinityS && a.dropEmpty === b.dropEmpty && a.sourceRanges === b.sourceRanges && a.hashed === b.hashed && a.nodeApart === b.nodeApart;
