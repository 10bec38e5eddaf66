import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { CanalError } from '../base/errors.js';
import { installBinaries, type BinaryOutcome } from './install-binaries.js';
import { installConfig, renderConfig, type ConfigReport } from './install-config.js';

type Env = Readonly<Record<string, string | undefined>>;

export interface InstallOptions {
  /** The plugin binary to copy. */
  readonly plugin: string;
  /** Where binaries go, as this process sees it; those that cannot be written to are left out. */
  readonly binDirs: readonly string[];
  /** Where the configuration goes, as this process sees it. */
  readonly netDir: string;
  readonly replaceCalico: boolean;
  /** Variables of compat.md 4.6. */
  readonly env: Env;
}

export interface InstallReport {
  readonly binaries: ReadonlyMap<string, BinaryOutcome>;
  /** Name of the configuration's file. */
  readonly configName: string;
  readonly config: ConfigReport;
}

/**
 * What Calico's install-cni does, without a kubeconfig: binaries first, then the configuration, so
 * that no runtime meets a configuration whose plugin is missing. Repeating it changes nothing.
 * Throws CanalError('CONFIG') naming the variable.
 */
export function installCni(options: InstallOptions): InstallReport {
  const { env } = options;
  const name = env['CNI_CONF_NAME'] ?? '10-canal.conflist';
  for (const variable of ['CNI_CONF_NAME', 'CNI_OLD_CONF_NAME']) {
    if (/[/\0]/.test(env[variable] ?? '')) throw new CanalError('CONFIG', `${variable}: not a file name`, { subject: variable });
  }
  const nodeName = env['KUBERNETES_NODE_NAME'] ?? hostname().toLowerCase();
  const text = renderConfig(template(env), { ...env, KUBERNETES_NODE_NAME: nodeName }, env['CNI_NET_DIR'] ?? '/etc/cni/net.d');
  const binaries = installBinaries({
    source: options.plugin,
    directories: options.binDirs,
    update: flag(env, 'UPDATE_CNI_BINARIES', true),
    skip: (env['SKIP_CNI_BINARIES'] ?? '').split(',').map((part) => part.trim()),
    replaceCalico: options.replaceCalico,
  });
  return { binaries, configName: name, config: installConfig(options.netDir, name, text, env['CNI_OLD_CONF_NAME']) };
}

/** A variable that is true or false; throws for anything else. */
export function flag(env: Env, variable: string, otherwise: boolean): boolean {
  const text = env[variable]?.toLowerCase() ?? '';
  if (text === '') return otherwise;
  if (text === 'true' || text === 'false') return text === 'true';
  throw new CanalError('CONFIG', `${variable}: ${JSON.stringify(text)} is neither true nor false`, { subject: variable });
}

function template(env: Env): string | undefined {
  const file = env['CNI_NETWORK_CONFIG_FILE'] ?? '';
  if (file === '') return env['CNI_NETWORK_CONFIG'] === '' ? undefined : env['CNI_NETWORK_CONFIG'];
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CanalError('CONFIG', `CNI_NETWORK_CONFIG_FILE: ${file} cannot be read`, { subject: file, cause });
  }
}
