import { IpAddress, type Family } from '../base/address.js';
import type { BackendAddress } from '../compile/services/rows.js';
import { canalSock4Codec, canalSock6Codec, canalSockKey4Codec, canalSockKey6Codec, CanalSockWay, canalUdpSocketCodec, type CanalUdpSocket } from './abi.generated.js';
import { decodeAll, encodeAll } from './codec.js';
import { grow, native, nativeResult } from './library.js';
import { familyMaps, type MapSource } from './map-source.js';

const UDP = 17;
const ENOENT = 2;

/** A connected UDP socket of the node's own processes that asked for a service. */
export interface TranslatedSocket {
  /** Id of the set of backends. */
  readonly service: bigint;
  /** Where its datagrams go. */
  readonly backend: BackendAddress;
  /**
   * Ends the connection: the owner's next call fails with ECONNABORTED, and no datagram goes there any more. One that is gone is success.
   * @throws CanalError('KERNEL') where the kernel cannot (CONFIG_INET_DIAG_DESTROY)
   */
  abort(): void;
}

/** Reads the node's connected UDP sockets, as far as programs at sockets have given them a backend. */
export function translatedSockets(source: MapSource): () => readonly TranslatedSocket[] {
  const maps = familyMaps(source, 'canal_sock', (family) => (family === 4 ? canalSockKey4Codec : canalSockKey6Codec), (family) => (family === 4 ? canalSock4Codec : canalSock6Codec));
  return () => connected().flatMap((socket) => {
    const peer = { address: IpAddress.fromBytes(socket.peer.subarray(0, socket.peerFamily === 4 ? 4 : 16)), port: socket.peerPort };
    const key = { cookie: socket.cookie, peer: { addr: { word: peer.address.bytes }, port: peer.port }, protocol: UDP, way: CanalSockWay.SOCK_RECEIVES };
    const known = maps.get(peer.address.family)?.get(key);
    return known === undefined ? [] : [{ service: known.service, backend: peer, abort: () => abort(socket) }];
  });
}

/** Of both kinds of sockets: IPv4 goes through IPv6 ones too. */
function connected(): CanalUdpSocket[] {
  return ([4, 6] as const).flatMap((family: Family) => {
    const { buffer, count } = grow('canal_udp_connected', canalUdpSocketCodec.size, 64, (out, capacity, needed) => {
      const result = nativeResult('canal_udp_connected', family, out, capacity, needed);
      return result === -ENOENT ? 0 : result; // a kernel without IPv6, or without udp_diag
    });
    return decodeAll(canalUdpSocketCodec, buffer, count);
  });
}

const abort = (socket: CanalUdpSocket): void => void native('canal_udp_abort', `socket ${socket.cookie}`, encodeAll(canalUdpSocketCodec, [socket]));
