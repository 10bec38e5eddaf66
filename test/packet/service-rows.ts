import * as abi from '../../agent/kernel/abi.generated.js';
import { decode, encode } from '../../agent/kernel/codec.js';
import { type Node, u32 } from './node.js';

export interface Backend {
  readonly address: Buffer;
  readonly port: number;
}

export interface Service {
  readonly port: number;
  readonly protocol: number;
  readonly backends: readonly Backend[];
  readonly affinityS?: number;
  readonly flags?: number;
  /** Slots that are said to be there beyond the backends. */
  readonly missing?: number;
}

const ID = 77n;

/** Rows of services at one address, written as bpf/abi_service.h says. */
export class ServiceRows {
  constructor(private readonly node: () => Node) {}

  get address(): Buffer {
    return Buffer.from(this.node().family === 4 ? '0a600001' : 'fd960000000000000000000000000001', 'hex');
  }

  /** Puts the service as it is now; backends that it had and has no more stay live until {@link forget}. */
  put(service: Service): void {
    const { plane } = this.node();
    service.backends.forEach((backend, slot) => {
      plane.put('live', this.liveKey(backend), u32(0));
      plane.put('back', encode(abi.canalBackKeyCodec, { service: ID, slot }), this.backend(backend));
    });
    const backends = service.backends.length + (service.missing ?? 0);
    const row = { service: ID, backends, affinityS: service.affinityS ?? 0, flags: service.flags ?? 0 };
    plane.put('front', this.frontKey(service), encode(abi.canalFrontCodec, row));
  }

  /** The last step of a backend's removal. */
  forget(backend: Backend): void {
    this.node().plane.delete('live', this.liveKey(backend));
  }

  /** Lets time pass for what a map remembers. */
  age(map: 'affin' | 'nat', seconds: number): void {
    const { plane, family } = this.node();
    const at = map === 'affin' ? (family === 4 ? 8 : 20) : family === 4 ? 16 : 28; // seen_s, opened_s
    for (const { key, value } of plane.rows(map)) {
      value.writeUInt32LE((value.readUInt32LE(at) - seconds) >>> 0, at);
      plane.put(map, key, value);
    }
  }

  /** Drops what is remembered of flows. */
  forgetFlows(): void {
    const { plane } = this.node();
    for (const { key } of plane.rows('nat')) plane.delete('nat', key);
  }

  private frontKey({ port, protocol }: Service): Buffer {
    const rest = { port, protocol, scope: 0 };
    return this.node().family === 4
      ? encode(abi.canalFrontKey4Codec, { addr: { word: this.address }, ...rest })
      : encode(abi.canalFrontKey6Codec, { addr: { word: this.address }, ...rest });
  }

  private backend({ address, port }: Backend): Buffer {
    return this.node().family === 4
      ? encode(abi.canalBackend4Codec, { addr: { word: address }, port })
      : encode(abi.canalBackend6Codec, { addr: { word: address }, port });
  }

  private liveKey(backend: Backend): Buffer {
    const row = this.backend(backend);
    return this.node().family === 4
      ? encode(abi.canalLiveKey4Codec, { service: ID, backend: decode(abi.canalBackend4Codec, row) })
      : encode(abi.canalLiveKey6Codec, { service: ID, backend: decode(abi.canalBackend6Codec, row) });
  }
}
