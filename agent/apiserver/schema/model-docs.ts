import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** What the declaration of a client model says beyond its types. */
export interface ModelDocs {
  readonly description: string;
  readonly fields: ReadonlyMap<string, { readonly description: string; readonly required: boolean }>;
}

const NONE: ModelDocs = { description: '', fields: new Map() };
const cache = new Map<string, ModelDocs>();

/**
 * Field descriptions and which fields are required, read from the comments in
 * the model's declaration file, for `kubectl explain`. Empty where the package
 * was installed without declarations.
 */
export function modelDocs(model: string): ModelDocs {
  let docs = cache.get(model);
  if (docs === undefined) {
    docs = read(model);
    cache.set(model, docs);
  }
  return docs;
}

function read(model: string): ModelDocs {
  const text = declaration(model);
  if (text === undefined) return NONE;
  const fields = new Map<string, { description: string; required: boolean }>();
  for (const match of text.matchAll(/(?:\/\*\*\s*((?:(?!\*\/)[\s\S])*?)\s*\*\/\s*)?^ {4}'([^']+)'(\?)?:/gm)) {
    fields.set(match[2] ?? '', { description: plain(match[1] ?? ''), required: match[3] === undefined });
  }
  const head = /\/\*\*\s*((?:(?!\*\/)[\s\S])*?)\s*\*\/\s*export declare class/.exec(text);
  return { description: plain(head?.[1] ?? ''), fields };
}

function declaration(model: string): string | undefined {
  try {
    return readFileSync(join(dirname(createRequire(import.meta.url).resolve('@kubernetes/client-node')), 'gen', 'models', `${model}.d.ts`), 'utf8');
  } catch {
    return undefined; // descriptions are an extra: explain then shows types only
  }
}

const plain = (comment: string): string => comment.replaceAll(/^\s*\*\s?/gm, '').replaceAll(/\\(['"])/g, '$1').trim();
