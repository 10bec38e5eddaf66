import { statSync } from 'node:fs';
import { posix } from 'node:path';
import { byPath, tree, type Entry } from './listing.js';

/** What an engine has when it runs a Dockerfile. */
export interface Surroundings {
  /** The folder that is given to it. */
  readonly context: string;
  /** Names in that folder that it is not given: the lines of .dockerignore. */
  readonly ignored: readonly string[];
  /** What `make TARGET`, run in the first stage, left: the folder that stands for it. */
  readonly made: (target: string) => string;
}

export interface Image {
  /** In the order of their paths. */
  readonly entries: readonly Entry[];
  /** The `config` of the OCI configuration: what the last stage states, nothing else. */
  readonly config: Readonly<Record<string, unknown>>;
}

interface Instruction { readonly name: string; readonly text: string }
interface Stage { readonly base: string; readonly name: string; readonly instructions: Instruction[] }
/** A path of a stage, and the folder of this machine that holds the same files. */
interface Place { readonly at: string; readonly folder: string; readonly missing: readonly string[] }

/**
 * The image that a Dockerfile describes, without an engine: the last stage's
 * copies are looked up in what the stages before copied from the context or
 * had `make` lay out. It knows the instructions that this takes, and throws at
 * each whose effect it cannot tell.
 */
export function describedImage(dockerfile: string, around: Surroundings): Image {
  const stages = stagesOf(dockerfile);
  const last = stages.at(-1);
  if (last?.base !== 'scratch') throw new Error(`the last stage starts from ${last?.base}, whose files are not known`);
  const entries = new Map<string, Entry>([['/', directory('/')]]);
  const config: Record<string, unknown> = {};
  for (const { name, text } of last.instructions) {
    if (name === 'COPY') copy(entries, text, stages, around);
    else state(config, name, text);
  }
  return { entries: byPath([...entries.values()]), config };
}

function stagesOf(dockerfile: string): Stage[] {
  const stages: Stage[] = [];
  const lines = dockerfile.replace(/^\s*#.*\n/gm, '').replaceAll(/\\\n/g, ' ').split('\n');
  for (const line of lines.filter((one) => one.trim() !== '')) {
    const [, name = '', text = ''] = /^\s*(\S+)\s*(.*?)\s*$/.exec(line) ?? [];
    const [base = '', , as = ''] = text.split(/\s+/);
    if (name.toUpperCase() === 'FROM') stages.push({ base, name: as, instructions: [] });
    else stages.at(-1)?.instructions.push({ name: name.toUpperCase(), text });
  }
  return stages;
}

/** Adds what COPY brings: a folder's content, or a file; the directories above it as an engine makes them. */
function copy(entries: Map<string, Entry>, text: string, stages: readonly Stage[], around: Surroundings): void {
  const [, from, source = '', target = ''] = /^(?:--from=(\S+) )?([^\s-]\S*) (\S+)$/.exec(text) ?? [];
  if (target === '' || /[*?[$]/.test(text)) throw new Error(`COPY ${text}: not understood`);
  const stage = stages.find(({ name }) => name === from);
  if (from !== undefined && stage === undefined) throw new Error(`COPY ${text}: no stage has this name`);
  const places = stage === undefined ? [{ at: '/', folder: around.context, missing: around.ignored }] : placesOf(stage, around);
  const found = lookUp(places, posix.resolve('/', source));
  const into = posix.resolve('/', target, !statSync(found).isDirectory() && target.endsWith('/') ? posix.basename(source) : '');
  for (const { path, mode, content } of tree(found)) {
    const at = posix.join(into, path).replace(/(.)\/$/, '$1');
    above(at).filter((dir) => !entries.has(dir)).forEach((dir) => entries.set(dir, directory(dir)));
    if (at !== '/') entries.set(at, { path: at, mode, owner: '0/0', content });
  }
}

/** What a stage has of the context and of make's results, the latest first. */
function placesOf(stage: Stage, { context, ignored, made }: Surroundings): Place[] {
  const places: Place[] = [];
  let cwd = '/';
  for (const { name, text } of stage.instructions) {
    const [source = '', target = ''] = text.split(' ');
    const [, built] = name === 'RUN' ? /^make (\S+)$/.exec(text) ?? [] : [];
    if (name === 'WORKDIR') cwd = posix.resolve(cwd, text);
    else if (name === 'COPY' && source === '.') places.unshift({ at: posix.resolve(cwd, target), folder: context, missing: ignored });
    else if (name === 'COPY' || name === 'ADD') throw new Error(`${name} ${text}: not understood`);
    // Make has sources only where they were copied to.
    else if (built !== undefined && places.some(({ at }) => at === cwd)) places.unshift({ at: posix.resolve(cwd, built), folder: made(built), missing: [] });
  }
  return places;
}

/** The file or folder of this machine that stands for a path. */
function lookUp(places: readonly Place[], path: string): string {
  const place = places.find(({ at }) => within(path, at));
  const inside = place === undefined ? '' : posix.relative(place.at, path);
  const absent = place?.missing.some((one) => within(`/${inside}`, `/${one}`) || within(`/${one}`, `/${inside}`));
  if (place === undefined || absent === true) throw new Error(`${path}: no instruction is known to make all of it`);
  return posix.join(place.folder, inside);
}

/** Adds what an instruction other than COPY says of the image's configuration. */
function state(config: Record<string, unknown>, name: string, text: string): void {
  const pairs = [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)].map(([, key = '', quoted, plain]) => [key, quoted ?? plain ?? ''] as const);
  if (name === 'ENTRYPOINT') config['Entrypoint'] = JSON.parse(text);
  else if (name === 'CMD') config['Cmd'] = JSON.parse(text);
  else if (name === 'WORKDIR') config['WorkingDir'] = text;
  else if (name === 'USER') config['User'] = text;
  else if (name === 'ENV' && pairs.length > 0) config['Env'] = [...(config['Env'] as string[] | undefined ?? []), ...pairs.map((pair) => pair.join('='))];
  else if (name === 'LABEL' && pairs.length > 0) config['Labels'] = { ...(config['Labels'] as object | undefined), ...Object.fromEntries(pairs) };
  else throw new Error(`${name} ${text}: not understood in the last stage`);
}

const directory = (path: string): Entry => ({ path, mode: 'drwxr-xr-x', owner: '0/0', content: '' });
const within = (path: string, folder: string): boolean => path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);

/** The directories above a path, but for the root. */
function above(path: string): string[] {
  const parent = posix.dirname(path);
  return parent === '/' ? [] : [...above(parent), parent];
}
