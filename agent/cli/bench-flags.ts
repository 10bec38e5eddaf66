import { InvalidArgumentError } from 'commander';
import type { Metric, Path } from '../bench/report.js';
import type { Size } from '../bench/size.js';

export const PATHS: readonly Path[] = ['same', 'across'];
export const METRICS: readonly Metric[] = ['rr', 'crr', 'stream', 'stream8', 'udp-rr', 'udp-pps', 'first-packet'];

/** A list of names, all of them known. */
export const among = <T extends string>(known: readonly T[]) => (text: string): T[] =>
  text.split(',').map((name) => {
    const found = known.find((each) => each === name);
    if (found === undefined) throw new InvalidArgumentError(`no ${name}: of ${known.join(', ')}`);
    return found;
  });

export function whole(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 60_000) throw new InvalidArgumentError('a whole number from 1 to 60000');
  return value;
}

export function counts(text: string): number[] {
  return text.split(',').map((each) => {
    if (!/^\d{1,7}$/.test(each) || Number(each) > 4_000_000) throw new InvalidArgumentError(`${each} is no number up to 4000000`);
    return Number(each);
  });
}

export type PolicySize = Omit<Size, 'services'>;

export function policySizes(text: string): PolicySize[] {
  return text.split(',').map((each) => {
    const [, policies, cidrs] = /^(\d{1,5}):(\d{1,7})$/.exec(each) ?? [];
    if (policies === undefined || cidrs === undefined) throw new InvalidArgumentError(`${each} is not policies:CIDRs`);
    return { policies: Number(policies), cidrs: Number(cidrs) };
  });
}

/** 0, or what the last two of them need. */
export function serviceCounts(text: string): number[] {
  return counts(text).map((count) => {
    if (count === 1 || count > 60_000) throw new InvalidArgumentError('0, or 2 to 60000 services');
    return count;
  });
}

/** NAME=KUBECONFIG, given as often as there are clusters. */
export function clusterFlag(text: string, before: ReadonlyMap<string, string>): Map<string, string> {
  const [, name, file] = /^([a-z0-9-]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || file === undefined) throw new InvalidArgumentError('NAME=KUBECONFIG');
  return new Map([...before, [name, file]]);
}

/** NAMESPACE/POD. */
export function podFlag(text: string): { readonly namespace: string; readonly name: string } {
  const [, namespace, name] = /^([a-z0-9.-]+)\/([a-z0-9.-]+)$/.exec(text) ?? [];
  if (namespace === undefined || name === undefined) throw new InvalidArgumentError('NAMESPACE/POD');
  return { namespace, name };
}

export const names = (text: string): string[] => text.split(',').filter((name) => name !== '');
