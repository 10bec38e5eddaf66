import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { CanalError } from '../../base/errors.js';
import type { AgentSettings } from '../../model/settings.js';
import { defaultNodeName, SETTINGS, type Setting, type SettingValues } from './definition.js';
import { IGNORED_FELIX, IGNORED_FLAGS } from './ignored.js';

/** Command-line values as the flag parser leaves them, keyed by flag without dashes; repeatable flags as lists. */
export type FlagValues = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
export type Environment = Readonly<Record<string, string | undefined>>;

export interface LoadedSettings {
  readonly settings: AgentSettings;
  /** Names that were set and mean nothing to canal: to be logged once. */
  readonly ignored: readonly string[];
}

/**
 * Resolves every setting: flag, then environment, then file, then default.
 * Felix reads the environment last of all (compat.md 7.1) and flanneld's flags
 * beat its environment (1.8): this order agrees with both.
 * @throws CanalError('CONFIG') that names the flag, variable or key.
 */
export function loadSettings(flags: FlagValues, environment: Environment, file: { name: string; text: string } | undefined): LoadedSettings {
  const ignored: string[] = [];
  refuseFlags(flags, ignored);
  const fromEnvironment = environmentValues(environment, ignored);
  const fromFile = file === undefined ? new Map<string, string>() : fileValues(file.name, file.text, ignored);
  const resolve = <K extends keyof SettingValues>(name: K): SettingValues[K] => {
    const setting = SETTINGS[name] as Setting<SettingValues[K]>;
    const given = flags[setting.flag];
    if (given !== undefined) return parseWith(setting, textOf(given), `--${setting.flag}`);
    const variable = fromEnvironment.get(setting.flag);
    if (variable !== undefined) return parseWith(setting, variable.text, variable.name);
    const key = fromFile.get(setting.key);
    if (key !== undefined) return parseWith(setting, key, `${file!.name}: ${setting.key}`);
    return setting.fallback;
  };
  return { settings: assemble(resolve), ignored };
}

/** Reads the configuration file; its absence is an error only when it was asked for by name. */
export function readSettingsFile(path: string, required: boolean): { name: string; text: string } | undefined {
  try {
    return { name: path, text: readFileSync(path, 'utf8') };
  } catch (cause) {
    if (!required && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CanalError('CONFIG', `${path}: ${(cause as Error).message}`, { subject: path, cause });
  }
}

function assemble(get: <K extends keyof SettingValues>(name: K) => SettingValues[K]): AgentSettings {
  const values = Object.fromEntries((Object.keys(SETTINGS) as (keyof SettingValues)[]).map((k) => [k, get(k)])) as unknown as SettingValues;
  const { iface, ifaceRegex, ifaceCanReach, publicIp, publicIpV6, autodetection, dataIfacePattern, ...rest } = values;
  const orUndefined = (value: string): string | undefined => (value === '' ? undefined : value);
  return {
    ...rest,
    services: rest.services !== 'off',
    yieldServices: rest.services === 'auto',
    nodeName: rest.nodeName === '' ? defaultNodeName() : rest.nodeName,
    kubeconfig: orUndefined(rest.kubeconfig),
    kubeApiUrl: orUndefined(rest.kubeApiUrl),
    uplink: { iface, ifaceRegex, ifaceCanReach: orUndefined(ifaceCanReach), publicIp, publicIpV6, autodetection, dataIfacePattern },
  };
}

const textOf = (value: string | boolean | readonly string[]): string | readonly string[] => (typeof value === 'boolean' ? String(value) : value);

function parseWith<T>(setting: Setting<T>, value: string | readonly string[], name: string): T {
  try {
    if (typeof value === 'string') return setting.parse(value);
    return value.flatMap((v) => setting.parse(v) as unknown as readonly string[]) as unknown as T;
  } catch (cause) {
    throw new CanalError('CONFIG', `${name}: ${JSON.stringify(value)} ${(cause as Error).message}`, { subject: name, cause });
  }
}

function refuseFlags(flags: FlagValues, ignored: string[]): void {
  for (const { flag, refuse } of IGNORED_FLAGS) {
    if (flags[flag] === undefined) continue;
    if (refuse !== undefined) throw new CanalError('CONFIG', `--${flag}: ${refuse}`, { subject: flag });
    ignored.push(`--${flag}`);
  }
}

function environmentValues(environment: Environment, ignored: string[]): Map<string, { name: string; text: string }> {
  const owners = environmentNames();
  const values = new Map<string, { name: string; text: string }>();
  for (const [given, flag] of orderedNames(owners, environment)) {
    const text = environment[given];
    if (text === undefined || text === '' || values.has(flag)) continue;
    values.set(flag, { name: given, text });
  }
  for (const name of Object.keys(environment)) checkPrefix(name, environment, owners, ignored);
  return values;
}

/** Environment variable (upper case) -> flag, in order of precedence. */
function environmentNames(): Map<string, string> {
  const names = new Map<string, string>();
  for (const setting of Object.values(SETTINGS) as Setting<unknown>[]) {
    const own = `CANAL_${setting.flag.toUpperCase().replaceAll('-', '_')}`;
    for (const name of [own, ...setting.env]) names.set(name, setting.flag);
  }
  return names;
}

/** Felix's variables are matched without regard to case (compat.md 7.1), all others exactly. */
function* orderedNames(owners: Map<string, string>, environment: Environment): Generator<[string, string]> {
  for (const [name, flag] of owners) {
    yield [name, flag];
    if (!name.startsWith('FELIX_')) continue;
    for (const given of Object.keys(environment)) if (given !== name && given.toUpperCase() === name) yield [given, flag];
  }
}

function checkPrefix(name: string, environment: Environment, owners: Map<string, string>, ignored: string[]): void {
  const upper = name.toUpperCase();
  if (upper.startsWith('FELIX_')) {
    if (owners.has(upper)) return;
    if (!IGNORED_FELIX.some((key) => `FELIX_${key.toUpperCase()}` === upper)) throw unknown(name, 'no parameter of Felix');
    ignored.push(name);
  } else if (name.startsWith('FLANNELD_')) {
    if (owners.has(name)) return;
    const known = IGNORED_FLAGS.find(({ flag }) => `FLANNELD_${flag.toUpperCase().replaceAll('-', '_')}` === name);
    if (known === undefined) throw unknown(name, 'no flag of flanneld');
    if (known.refuse !== undefined && environment[name] !== '') throw new CanalError('CONFIG', `${name}: ${known.refuse}`, { subject: name });
    ignored.push(name);
  } else if (name.startsWith('CANAL_') && !owners.has(name) && !OWN_VARIABLES.has(name)) {
    throw unknown(name, 'no setting of canal');
  }
}

/** Variables of canal's that are not settings of the agent; and what Kubernetes injects for a Service named canal. */
const OWN_VARIABLES = { has: (name: string): boolean => ['CANAL_CONFIG', 'CANAL_CNI_SOCKET', 'CANAL_SOCKET', 'CANAL_PROC_SYS'].includes(name) || /^CANAL_(SERVICE_|PORT)/.test(name) };

const unknown = (name: string, why: string): CanalError => new CanalError('CONFIG', `${name}: ${why}`, { subject: name });

function fileValues(name: string, text: string, ignored: string[]): Map<string, string> {
  let root: unknown;
  try {
    root = parseYaml(text) ?? {};
  } catch (cause) {
    throw new CanalError('CONFIG', `${name}: ${(cause as Error).message}`, { subject: name, cause });
  }
  if (typeof root !== 'object' || root === null || Array.isArray(root)) throw new CanalError('CONFIG', `${name}: must hold keys and values`, { subject: name });
  const known = new Set((Object.values(SETTINGS) as Setting<unknown>[]).map((s) => s.key));
  const values = new Map<string, string>();
  for (const [key, value] of Object.entries(root)) {
    if (known.has(key)) values.set(key, scalar(value, `${name}: ${key}`));
    else if (IGNORED_FELIX.includes(key)) ignored.push(`${name}: ${key}`);
    else throw unknown(`${name}: ${key}`, 'unknown key');
  }
  return values;
}

function scalar(value: unknown, name: string): string {
  if (Array.isArray(value)) return value.map((v) => scalar(v, name)).join(',');
  if (typeof value === 'object' && value !== null) return Object.entries(value).map(([k, v]) => `${k}=${scalar(v, name)}`).join(',');
  if (value === null || value === undefined) return '';
  return String(value as string | number | boolean);
}
