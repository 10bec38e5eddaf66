import { createHash } from 'node:crypto';
import { CniCode, CniError } from './cni-error.js';
import { decodeConfig, type NetworkConfig } from './network-config.js';
import type { RawRequest } from './frame.js';
import { requireVerb } from './version.js';

export const VERBS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const;
export type Verb = (typeof VERBS)[number];

/** Which attachment a request is about. */
export interface Attachment {
  readonly containerId: string;
  readonly ifname: string;
  /** Empty where the runtime gives none (DEL only). */
  readonly netns: string;
  /** Namespace and pod are empty outside Kubernetes. */
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  /** Host side of the veth (compat.md 5.1). */
  readonly hostDevice: string;
}

export type CniRequest =
  | { readonly verb: 'ADD' | 'DEL' | 'CHECK'; readonly config: NetworkConfig; readonly attachment: Attachment; /** CNI_ARGS */ readonly args: ReadonlyMap<string, string> }
  | { readonly verb: 'GC' | 'STATUS'; readonly config: NetworkConfig }
  | { readonly verb: 'VERSION' };

const CONTAINER_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,199}$/;
const IFNAME = /^[^/:\s\0]{1,15}$/;
const K8S_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Decodes and validates; throws CniError with the field's or variable's name first. Pure. */
export function decodeRequest(raw: RawRequest): CniRequest {
  const verb = decodeVerb(raw.env.get('CNI_COMMAND'));
  if (verb === 'VERSION') return { verb };
  const config = decodeConfig(raw.config);
  requireVerb(config.cniVersion, verb);
  if (verb === 'GC' || verb === 'STATUS') return { verb, config };
  const args = decodeArgs(raw.env.get('CNI_ARGS') ?? '');
  return { verb, config, attachment: decodeAttachment(verb, raw.env, args), args };
}

/** `cali` and 11 hex digits of SHA-1 over `<namespace>.<pod>`, or outside Kubernetes 11 characters of the container's ID. */
export function hostDeviceName(namespace: string, pod: string, containerId: string): string {
  if (pod === '') return `cali${containerId.slice(0, 11)}`;
  return `cali${createHash('sha1').update(`${namespace}.${pod}`).digest('hex').slice(0, 11)}`;
}

function decodeVerb(command: string | undefined): Verb {
  const verb = VERBS.find((known) => known === command);
  if (verb === undefined) throw new CniError(CniCode.INVALID_ENV, `CNI_COMMAND: ${command === undefined ? 'not set' : 'unknown command'}`);
  return verb;
}

function decodeAttachment(verb: Verb, env: ReadonlyMap<string, string>, args: ReadonlyMap<string, string>): Attachment {
  const containerId = matching('CNI_CONTAINERID', env.get('CNI_CONTAINERID'), CONTAINER_ID);
  const ifname = matching('CNI_IFNAME', env.get('CNI_IFNAME'), IFNAME);
  if (ifname === '.' || ifname === '..') throw new CniError(CniCode.INVALID_ENV, 'CNI_IFNAME: not a device name');
  const netns = env.get('CNI_NETNS') ?? '';
  if (netns === '' && verb !== 'DEL') throw new CniError(CniCode.INVALID_ENV, 'CNI_NETNS: not set');
  if (netns !== '' && !netns.startsWith('/')) throw new CniError(CniCode.INVALID_ENV, 'CNI_NETNS: not an absolute path');
  const { namespace, pod } = podOf(args);
  return { containerId, ifname, netns, namespace, pod, podUid: args.get('K8S_POD_UID') ?? '', hostDevice: hostDeviceName(namespace, pod, containerId) };
}

function matching(name: string, value: string | undefined, form: RegExp): string {
  if (value === undefined || value === '') throw new CniError(CniCode.INVALID_ENV, `${name}: not set`);
  if (!form.test(value)) throw new CniError(CniCode.INVALID_ENV, `${name}: ${JSON.stringify(value.slice(0, 64))} is not allowed`);
  return value;
}

/** `K=V;K=V`. Keys that mean nothing to us are ignored, as IgnoreUnknown asks and runtimes expect. */
function decodeArgs(text: string): Map<string, string> {
  const args = new Map<string, string>();
  for (const pair of text.split(';')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    if (equals < 1) throw new CniError(CniCode.INVALID_ENV, `CNI_ARGS: ${JSON.stringify(pair.slice(0, 64))} is not KEY=VALUE`);
    args.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  return args;
}

function podOf(args: ReadonlyMap<string, string>): { namespace: string; pod: string } {
  const namespace = args.get('K8S_POD_NAMESPACE') ?? '';
  const pod = args.get('K8S_POD_NAME') ?? '';
  if (namespace === '' && pod === '') return { namespace, pod };
  for (const [key, value] of [['K8S_POD_NAMESPACE', namespace], ['K8S_POD_NAME', pod]] as const) {
    if (!K8S_NAME.test(value)) throw new CniError(CniCode.INVALID_ENV, `CNI_ARGS: ${key} ${value === '' ? 'is not set' : 'is no object name'}`);
  }
  return { namespace, pod };
}
