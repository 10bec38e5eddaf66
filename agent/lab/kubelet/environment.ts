import type { Container, EnvVar, KeyRef, Pod } from '../world/objects.js';

/** What a container's environment may refer to. */
export interface EnvironmentSources {
  readonly nodeName: string;
  readonly hostIP: string;
  readonly podIPs: readonly string[];
  /** Data of a ConfigMap or (decoded) Secret of the pod's namespace; undefined when there is none. */
  data(kind: 'ConfigMap' | 'Secret', name: string): Promise<Readonly<Record<string, string>> | undefined>;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A container's environment, built as the kubelet does. Throws an Error that names what is missing. */
export async function environmentOf(pod: Pod, container: Container, sources: EnvironmentSources): Promise<Record<string, string>> {
  const env: Record<string, string> = { PATH, HOME: '/root', HOSTNAME: pod.spec.hostname ?? pod.metadata.name };
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const data = {
      ...(configMapRef === undefined ? {} : await whole(sources, 'ConfigMap', configMapRef)),
      ...(secretRef === undefined ? {} : await whole(sources, 'Secret', secretRef)),
    };
    for (const [key, value] of Object.entries(data)) env[prefix + key] = value;
  }
  for (const variable of container.env ?? []) {
    const value = await valueOf(pod, variable, env, sources);
    if (value !== undefined) env[variable.name] = value;
  }
  return env;
}

async function valueOf(pod: Pod, variable: EnvVar, env: Readonly<Record<string, string>>, sources: EnvironmentSources): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? '', env);
  if (from.fieldRef !== undefined) return fieldOf(pod, from.fieldRef.fieldPath, sources);
  if (from.configMapKeyRef !== undefined) return keyed(sources, 'ConfigMap', from.configMapKeyRef);
  if (from.secretKeyRef !== undefined) return keyed(sources, 'Secret', from.secretKeyRef);
  // Resources are not limited here: 0 is what the kubelet says for "no limit known".
  return '0';
}

async function whole(sources: EnvironmentSources, kind: 'ConfigMap' | 'Secret', ref: { name: string; optional?: boolean }): Promise<Readonly<Record<string, string>>> {
  const data = await sources.data(kind, ref.name);
  if (data === undefined && ref.optional !== true) throw new Error(`${kind.toLowerCase()} "${ref.name}" not found`);
  return data ?? {};
}

async function keyed(sources: EnvironmentSources, kind: 'ConfigMap' | 'Secret', ref: KeyRef): Promise<string | undefined> {
  const data = await whole(sources, kind, ref);
  if (data[ref.key] === undefined && ref.optional !== true) throw new Error(`couldn't find key ${ref.key} in ${kind} ${ref.name}`);
  return data[ref.key];
}

/** The downward API's fields. Throws an Error that names one it does not know. */
export function fieldOf(pod: Pod, path: string, sources: Pick<EnvironmentSources, 'nodeName' | 'hostIP' | 'podIPs'>): string {
  const fields: Readonly<Record<string, string | undefined>> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'metadata.uid': pod.metadata.uid,
    'spec.nodeName': sources.nodeName,
    'spec.serviceAccountName': pod.spec.serviceAccountName ?? 'default',
    'status.hostIP': sources.hostIP,
    'status.hostIPs': sources.hostIP,
    'status.podIP': sources.podIPs[0] ?? '',
    'status.podIPs': sources.podIPs.join(','),
  };
  const keyedField = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyedField !== null) return pod.metadata[keyedField[1] as 'labels' | 'annotations']?.[keyedField[2]!] ?? '';
  const value = fields[path];
  if (value === undefined) throw new Error(`field path ${path} is not supported`);
  return value;
}

/** `$(NAME)` becomes NAME's value where there is one; `$$(NAME)` becomes `$(NAME)`. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) => (name === undefined ? '$' : (env[name] ?? whole)));
}

/** What a container runs: its own command, or the lab's server on its ports, since there are no images. */
export function commandOf(pod: Pod, container: Container, env: Readonly<Record<string, string>>, server: string): string[] {
  const words = (list: readonly string[] | undefined): string[] => (list ?? []).map((word) => expand(word, env));
  if (container.command !== undefined && container.command.length > 0) return [...words(container.command), ...words(container.args)];
  const ports = (container.ports ?? []).map(({ protocol = 'TCP', containerPort }) => `${protocol.toLowerCase()}:${containerPort}`);
  return [server, 'serve', pod.metadata.name, ...ports];
}
