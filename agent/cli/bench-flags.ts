import { InvalidArgumentError } from 'commander';
import type { Metric, Path } from '../bench/report.js';
import type { Size } from '../bench/size.js';

export const PATHS: readonly Path[] = ['same', 'across'];
export const METRICS: readonly Metric[] = ['rr', 'crr', 'stream', 'stream8', 'udp-rr', 'udp-pps', 'first-packet'];

/** Parts of a list, each once: what is named twice is measured once. */
const parts = (text: string): string[] => [...new Set(text.split(','))];

/** A list of names, all of them known. */
export const among = <T extends string>(known: readonly T[]) => (text: string): T[] =>
  parts(text).map((name) => {
    const found = known.find((each) => each === name);
    if (found === undefined) throw new InvalidArgumentError(`no ${name}: of ${known.join(', ')}`);
    return found;
  });

/** A whole number in a range, both ends included. */
export const within = (least: number, most: number) => (text: string): number => {
  if (!/^\d{1,9}$/.test(text) || Number(text) < least || Number(text) > most) throw new InvalidArgumentError(`a whole number from ${least} to ${most}`);
  return Number(text);
};

export const whole = within(1, 60_000);

/** What canal-load takes (native/bench/options.c). */
export const warmMs = within(0, 10_000);

export const counts = (text: string): number[] => parts(text).map(within(1, 4_000_000));

export type PolicySize = Omit<Size, 'services'>;

/** More CIDRs than this need more memory than a build machine has. */
const MOST_CIDRS = 1_000_000;

export function policySizes(text: string): PolicySize[] {
  return parts(text).map((each) => {
    const [, policies, cidrs] = /^(\d{1,5}):(\d{1,7})$/.exec(each) ?? [];
    if (policies === undefined || cidrs === undefined || Number(cidrs) > MOST_CIDRS) throw new InvalidArgumentError(`${each} is not policies:CIDRs, up to 99999:${MOST_CIDRS}`);
    return { policies: Number(policies), cidrs: Number(cidrs) };
  });
}

/** 0, or what the last two of them need. */
export function serviceCounts(text: string): number[] {
  return parts(text).map((each) => {
    if (!/^\d{1,5}$/.test(each) || Number(each) === 1 || Number(each) > 60_000) throw new InvalidArgumentError(`${each}: 0, or 2 to 60000 services`);
    return Number(each);
  });
}

/** NAME=KUBECONFIG, given as often as there are clusters. */
export function clusterFlag(text: string, before: ReadonlyMap<string, string>): Map<string, string> {
  const [, name, file] = /^([a-z0-9-]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || file === undefined) throw new InvalidArgumentError('NAME=KUBECONFIG');
  if (before.has(name)) throw new InvalidArgumentError(`${name} is there already`);
  return new Map([...before, [name, file]]);
}

/** NAMESPACE/POD. */
export function podFlag(text: string): { readonly namespace: string; readonly name: string } {
  const [, namespace, name] = /^([a-z0-9.-]+)\/([a-z0-9.-]+)$/.exec(text) ?? [];
  if (namespace === undefined || name === undefined) throw new InvalidArgumentError('NAMESPACE/POD');
  return { namespace, name };
}

export function names(text: string): string[] {
  if (parts(text).includes('')) throw new InvalidArgumentError('names, comma separated');
  return parts(text);
}

/** One for the client and its neighbour, one for who is asked across nodes. */
export function twoNodes(text: string): string[] {
  const nodes = names(text);
  if (nodes.length !== 2) throw new InvalidArgumentError('two different nodes, comma separated');
  return nodes;
}
