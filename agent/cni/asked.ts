import { IpAddress } from '../base/address.js';
import { inRange, type RangeSet } from '../ipam/range.js';
import type { PodAsks } from '../model/objects.js';
import { CniCode, CniError } from './cni-error.js';
import { booleanAt, invalid, objectAt, stringAt, stringsAt, type JsonObject } from './fields.js';
import type { NetworkConfig } from './network-config.js';

/** What the runtime, the network's configuration or the pod itself ask of an attachment. */
export interface Asked {
  /** Addresses to take instead of the next free ones, each with the field that asks for it. */
  readonly addresses: readonly { readonly address: IpAddress; readonly field: string }[];
  /** Of the container's device; empty: a random one. */
  readonly podMac: string;
}

const MAC = /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i;

/** Whether annotations of the pod count: Calico's plugin reads them with `policy.type` k8s, ours always does. */
export function asksPods({ json }: NetworkConfig): boolean {
  return stringAt(json, 'type') === 'canal' || stringAt(objectAt(json, 'policy') ?? {}, 'type', 'policy') === 'k8s';
}

/**
 * Addresses as host-local takes them: CNI_ARGS, args.cni.ips and runtimeConfig.ips together. A MAC by the pod's
 * annotation, else runtimeConfig.mac, args.cni.mac, CNI_ARGS (as the bridge plugin has it). Throws
 * CniError with the field first, after the pod where the pod asks. Pure.
 * @param args of CNI_ARGS
 * @param pod `namespace/name`
 */
export function decodeAsked({ json }: NetworkConfig, args: ReadonlyMap<string, string>, pod: string, asks: PodAsks): Asked {
  refuseAnnotations(json, pod, asks);
  const runtime = objectAt(json, 'runtimeConfig') ?? {};
  const cni = objectAt(objectAt(json, 'args') ?? {}, 'cni', 'args') ?? {};
  const addresses = [
    ...(args.get('IP') ?? '').split(',').filter((text) => text !== '').map((text) => addressOf(text, 'CNI_ARGS: IP', CniCode.INVALID_ENV)),
    ...(stringsAt(cni, 'ips', 'args.cni') ?? []).map((text, i) => addressOf(text, `args.cni.ips[${i}]`)),
    ...(stringsAt(runtime, 'ips', 'runtimeConfig') ?? []).map((text, i) => addressOf(text, `runtimeConfig.ips[${i}]`)),
  ];
  const macs: readonly [text: string, field: string][] = [
    [asks.hwAddr ?? '', annotation(pod, 'hwAddr')],
    [stringAt(runtime, 'mac', 'runtimeConfig') ?? '', 'runtimeConfig.mac'],
    [stringAt(cni, 'mac', 'args.cni') ?? '', 'args.cni.mac'],
    [args.get('MAC') ?? '', 'CNI_ARGS: MAC'],
  ];
  const given = macs.find(([text]) => text !== '');
  return { addresses, podMac: given === undefined ? '' : macOf(...given) };
}

/** Throws for an address that no set can give, or that is a gateway's, before anything is allocated. */
export function requireInRanges(asked: Asked, sets: readonly RangeSet[]): void {
  const open = [...sets];
  for (const { address, field } of asked.addresses) {
    const at = open.findIndex((set) => set.some((range) => inRange(range, address)));
    const subnets = sets.flat().map((range) => `${range.first.text}-${range.last.text}`).join(', ');
    if (at < 0) throw invalid(field, `${address.text} is not one of the network's addresses (${subnets}), or the second of a range set`);
    if (open[at]!.some(({ gateway }) => gateway.equals(address))) throw invalid(field, `${address.text} is the subnet's gateway`);
    open.splice(at, 1);
  }
}

const annotation = (pod: string, name: string): string => `Pod ${pod}: metadata.annotations[cni.projectcalico.org/${name}]`;

/** What Calico's plugin refuses beside host-local too, and what we do not have. */
function refuseAnnotations(json: JsonObject, pod: string, { ipAddrs = '', ipAddrsNoIpam = '', floatingIPs = '' }: PodAsks): void {
  const unsupported = (name: string, why: string): CniError => new CniError(CniCode.UNSUPPORTED_FIELD, `${annotation(pod, name)}: ${why}`);
  if (ipAddrs !== '' && ipAddrsNoIpam !== '') throw invalid(annotation(pod, 'ipAddrs'), 'not together with ipAddrsNoIpam');
  if (ipAddrs !== '') throw unsupported('ipAddrs', 'not compatible with IPAM host-local, which gives addresses of the lease');
  if (ipAddrsNoIpam !== '') throw unsupported('ipAddrsNoIpam', 'not compatible with IPAM host-local, which gives addresses of the lease');
  if (floatingIPs === '') return;
  if (booleanAt(objectAt(json, 'feature_control') ?? {}, 'floating_ips', 'feature_control') !== true) throw invalid(annotation(pod, 'floatingIPs'), 'feature_control.floating_ips is not set');
  throw unsupported('floatingIPs', 'floating addresses are not supported; a Service with externalIPs does the like');
}

/** With or without a prefix length, which says nothing here. */
function addressOf(text: string, field: string, code: number = CniCode.INVALID_CONFIG): Asked['addresses'][number] {
  const address = IpAddress.parse(text.trim().replace(/\/\d{1,3}$/, ''));
  if (address === undefined) throw new CniError(code, `${field}: ${JSON.stringify(text.slice(0, 64))} is no address`);
  return { address, field };
}

function macOf(text: string, field: string): string {
  if (!MAC.test(text)) throw invalid(field, `${JSON.stringify(text.slice(0, 64))} is no MAC address`);
  const mac = text.toLowerCase().replaceAll('-', ':');
  if ((parseInt(mac.slice(0, 2), 16) & 1) !== 0 || mac === '00:00:00:00:00:00') throw invalid(field, `${mac} is no device's own address: it is of a group, or zero`);
  return mac;
}
