import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { CanalError } from '../base/errors.js';
import { isFields, type Fields, type KubeObject } from './kube-object.js';
import { applyObject } from './patch/server-side-apply.js';
import { decode } from './schema/decode.js';
import type { ApiContext } from './verbs/context.js';

const EXTENSIONS = new Set(['.yaml', '.yml', '.json']);

/**
 * Applies every manifest in a directory, by file name, as
 * `kubectl apply --server-side --force-conflicts` would.
 * @throws CanalError CONFIG naming the file that cannot be read or applied
 */
export function applyManifests(context: ApiContext, directory: string): number {
  const files = readdirSync(directory).filter((file) => EXTENSIONS.has(extname(file))).sort();
  let applied = 0;
  for (const file of files) {
    for (const object of documentsOf(join(directory, file))) {
      applyOne(context, object, join(directory, file));
      applied++;
    }
  }
  return applied;
}

function documentsOf(path: string): Fields[] {
  return parseAllDocuments(readFileSync(path, 'utf8')).flatMap((document) => {
    if (document.errors[0] !== undefined) throw new CanalError('CONFIG', 'manifest does not parse', { subject: path, cause: document.errors[0] });
    const value = document.toJS() as unknown;
    if (!isFields(value)) return [];
    return Array.isArray(value['items']) && String(value['kind']).endsWith('List') ? value['items'].filter(isFields) : [value];
  });
}

function applyOne(context: ApiContext, object: Fields, path: string): void {
  const kind = context.registry.byApiVersionKind(String(object['apiVersion']), String(object['kind']));
  if (kind === undefined) throw new CanalError('CONFIG', `no such kind: ${String(object['apiVersion'])} ${String(object['kind'])}`, { subject: path });
  try {
    const { value, unknownFields } = decode(object, kind.schema);
    if (unknownFields[0] !== undefined) throw new Error(`unknown field "${unknownFields[0]}"`);
    const config = value as unknown as KubeObject;
    const namespace = kind.namespaced ? (config.metadata.namespace ?? 'default') : '';
    applyObject(context, kind, namespace, config.metadata.name ?? '', config, { fieldManager: 'canal-manifests', force: true });
  } catch (cause) {
    throw new CanalError('CONFIG', `manifest cannot be applied: ${cause instanceof Error ? cause.message : ''}`, { subject: path, cause });
  }
}
