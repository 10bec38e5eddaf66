import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A network as libcni reads it: one or more plugins in a row. */
export interface NetworkList {
  readonly name: string;
  readonly cniVersion: string;
  readonly plugins: readonly PluginConfig[];
  readonly file: string;
}

export type PluginConfig = Readonly<Record<string, unknown>> & { readonly type: string; readonly capabilities?: Readonly<Record<string, boolean>> };

const SUFFIXES = ['.conf', '.conflist', '.json'];

/** The first usable file of a directory in the order of names, as container runtimes choose; undefined when there is none. */
export function loadNetwork(directory: string): NetworkList | undefined {
  for (const name of fileNames(directory)) {
    const network = parseNetwork(name, readFileSync(join(directory, name), 'utf8'));
    if (network !== undefined) return network;
  }
  return undefined;
}

function fileNames(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => SUFFIXES.some((suffix) => name.endsWith(suffix))).sort();
  } catch {
    return [];
  }
}

/** A conflist, or a single plugin's configuration as a list of one. Undefined for what is neither. */
export function parseNetwork(file: string, text: string): NetworkList | undefined {
  const json = parse(text);
  if (json === undefined) return undefined;
  const plugins = Array.isArray(json['plugins']) ? json['plugins'] : [json];
  if (plugins.length === 0 || !plugins.every(isPlugin)) return undefined;
  return { file, name: textOr(json['name'], ''), cniVersion: newest(textOr(json['cniVersion'], '0.2.0'), json['cniVersions']), plugins };
}

/** The newest version of CNI that this runtime speaks. */
const NEWEST = '1.1.0';

/** Of the versions that a list offers (`cniVersions`, since CNI 1.1) the newest that is spoken here. */
function newest(version: string, offered: unknown): string {
  const known = (Array.isArray(offered) ? offered : []).filter((one): one is string => typeof one === 'string' && atLeast(NEWEST, one));
  return known.reduce((best, one) => (atLeast(one, best) ? one : best), version);
}

const textOr = (value: unknown, fallback: string): string => (typeof value === 'string' ? value : fallback);
const isPlugin = (value: unknown): value is PluginConfig => typeof (value as { type?: unknown } | null)?.type === 'string';

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Record<string, unknown>) : undefined;
  } catch {
    // A file that is being written: the runtime looks again.
    return undefined;
  }
}

/** Whether version `a` is at least `b`, both of the form 1.0.0. */
export function atLeast(a: string, b: string): boolean {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number)) as [number[], number[]];
  for (let i = 0; i < 3; i++) if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) > (y[i] ?? 0);
  return true;
}
