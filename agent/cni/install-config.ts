import { closeSync, copyFileSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CanalError } from '../base/errors.js';
import { isObject, type JsonObject } from './fields.js';

/** Suffixes of the files that container runtimes read. */
const CONFIG_FILE = /\.(conf|conflist|json)$/;
const OURS = ['canal', 'calico'];

/** What a node gets where no template is given. MTU 0 is the overlay's. */
const TEMPLATE = `{
  "name": "k8s-pod-network",
  "cniVersion": "1.0.0",
  "cniVersions": ["1.0.0", "1.1.0"],
  "plugins": [
    {
      "type": "canal",
      "log_level": "__LOG_LEVEL__",
      "nodename": "__KUBERNETES_NODE_NAME__",
      "mtu": __CNI_MTU__,
      "ipam": { "type": "host-local", "subnet": "usePodCidr" },
      "policy": { "type": "k8s" }
    }
  ]
}
`;

/** compat.md 4.6: placeholder and the variable that fills it, with its default. Credentials have no value here: the plugin needs none. */
const PLACEHOLDERS: Readonly<Record<string, readonly [variable: string, otherwise: string]>> = {
  LOG_LEVEL: ['LOG_LEVEL', 'info'],
  LOG_FILE_PATH: ['LOG_FILE_PATH', '/var/log/calico/cni/cni.log'],
  LOG_FILE_MAX_SIZE: ['LOG_FILE_MAX_SIZE', '100'],
  LOG_FILE_MAX_AGE: ['LOG_FILE_MAX_AGE', '30'],
  LOG_FILE_MAX_COUNT: ['LOG_FILE_MAX_COUNT', '10'],
  DATASTORE_TYPE: ['CNI_DATASTORE_TYPE', 'kubernetes'],
  KUBERNETES_NODE_NAME: ['KUBERNETES_NODE_NAME', ''],
  CNI_MTU: ['CNI_MTU', '0'],
  REQUIRE_MTU_FILE: ['REQUIRE_MTU_FILE', 'false'],
  CALICO_API_GROUP: ['CALICO_API_GROUP', 'crd.projectcalico.org/v1'],
  KUBERNETES_SERVICE_HOST: ['KUBERNETES_SERVICE_HOST', ''],
  KUBERNETES_SERVICE_PORT: ['KUBERNETES_SERVICE_PORT', ''],
  ETCD_ENDPOINTS: ['ETCD_ENDPOINTS', ''],
  ETCD_DISCOVERY_SRV: ['ETCD_DISCOVERY_SRV', ''],
  SERVICEACCOUNT_TOKEN: ['', ''],
  ETCD_KEY_FILE: ['', ''],
  ETCD_CERT_FILE: ['', ''],
  ETCD_CA_CERT_FILE: ['', ''],
};

/** The configuration's text with every placeholder in place. Throws CanalError('CONFIG') for what no runtime could use. Pure. */
export function renderConfig(template: string | undefined, env: Readonly<Record<string, string | undefined>>, hostNetDir: string): string {
  const text = (template ?? TEMPLATE).replace(/__([A-Z0-9_]+?)__/g, (whole, name: string) => {
    if (name === 'KUBECONFIG_FILEPATH') return join(hostNetDir, 'calico-kubeconfig');
    const known = PLACEHOLDERS[name];
    if (known === undefined) throw refused(`placeholder ${whole} is not known`);
    return escape(env[known[0]] ?? known[1]);
  });
  const json = parse(text);
  const plugins = json['plugins'] === undefined ? [json] : json['plugins'];
  if (!Array.isArray(plugins) || !plugins.every(isObject)) throw refused('plugins: not a list of objects');
  if (!plugins.some(({ type }) => OURS.includes(String(type)))) throw refused('plugins: none has type canal or calico');
  return text;
}

export interface ConfigReport {
  /** A file of the target's name that was not ours and has been kept under another one. */
  readonly replaced: string | undefined;
  /** Configurations of others that container runtimes prefer to ours, because their names sort first. */
  readonly preferred: readonly string[];
  /** Removed as CNI_OLD_CONF_NAME asks. */
  readonly removed: string | undefined;
  readonly changed: boolean;
}

/** Writes the configuration atomically, for root alone. What it displaces is kept beside it as `<name>.before-canal`, which no runtime reads. */
export function installConfig(directory: string, name: string, text: string, oldName: string | undefined): ConfigReport {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, name);
  const before = readIfThere(path);
  const foreign = before !== undefined && !usesCanal(before);
  if (foreign) copyFileSync(path, `${path}.before-canal`);
  if (before !== text) writeWhole(path, text);
  const removed = oldName !== undefined && oldName !== name && readIfThere(join(directory, oldName)) !== undefined ? oldName : undefined;
  if (removed !== undefined) rmSync(join(directory, removed));
  const preferred = readdirSync(directory).filter((other) => CONFIG_FILE.test(other) && other < name).sort();
  return { replaced: foreign ? `${path}.before-canal` : undefined, preferred, removed, changed: before !== text };
}

/** A Canal's own `type: calico` file counts as somebody else's: its node may want it back. */
export function usesCanal(text: string): boolean {
  try {
    const json: unknown = JSON.parse(text);
    if (!isObject(json)) return false;
    const plugins: unknown[] = Array.isArray(json['plugins']) ? json['plugins'] : [json];
    return plugins.some((plugin) => isObject(plugin) && plugin['type'] === 'canal');
  } catch {
    return false; // half a file is not ours either: we write whole ones
  }
}

function parse(text: string): JsonObject {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw refused(`not JSON: ${(cause as Error).message}`);
  }
  if (!isObject(json)) throw refused('not a JSON object');
  return json;
}

/** A value goes between the quotes of the template. */
const escape = (value: string): string => JSON.stringify(value).slice(1, -1);

const refused = (what: string): CanalError => new CanalError('CONFIG', `CNI_NETWORK_CONFIG: ${what}`, { subject: 'CNI_NETWORK_CONFIG' });

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function writeWhole(path: string, text: string): void {
  const fd = openSync(`${path}.tmp`, 'w', 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.tmp`, path);
}
