import { fieldsAt, listAt, textAt, type Fields } from '../../../../agent/apiserver/kube-object.js';
import { MERGE, bodyOf, type Dialogue } from '../dialogue.js';
import type { Cases } from './areas.js';
import { CUSTOM_KINDS, KINDS, type Example } from './kinds.js';
import { placed } from './lives.js';

const MANY = [...KINDS.filter(({ kind }) => kind !== 'CustomResourceDefinition'), ...CUSTOM_KINDS];

/** Of each kind: a few objects together, listed, watched and deleted. */
export const collections: Cases = {
  ...Object.fromEntries(
    MANY.flatMap((example) => [
      [`${example.kind}: many are listed in pages, selected, and go together`, (api: Dialogue) => many(api, example)],
      [`${example.kind}: changes are watched`, (api: Dialogue) => watched(api, example)],
      [`${example.kind}: versions are listed, and forgotten`, (api: Dialogue) => versions(api, example)],
      [`${example.kind}: a watch begins with what there is, and says when that was all`, (api: Dialogue) => initial(api, example)],
    ]),
  ),
  'watches of every kind get a bookmark before they end': async (api) => {
    // A real server asks etcd for events, which has no bookmarks.
    const kinds = MANY.filter(({ kind }) => kind !== 'Event');
    for (const example of kinds) await example.define?.(api);
    await Promise.all(kinds.map((example) => bookmarked(api, example)));
    api.turns.sort((a, b) => (a.ask < b.ask ? -1 : 1));
  },
};

const names = (list: Fields): unknown => ({ kind: list['kind'], metadata: list['metadata'], names: ((list['items'] ?? []) as Fields[]).map((item) => textAt(item, 'metadata', 'name')), ...(list['kind'] === 'Status' ? { message: list['message'], reason: list['reason'], code: list['code'] } : {}) });
const part = { part: names };
const mineOf = (api: Dialogue): string => `labelSelector=contract%3D${api.token}`;
/** A deletion that says nothing orphans a job's pods; the collector's finalizer for it is there for a moment. */
const isOrphaned = (object: unknown): boolean => !listAt(object, 'metadata', 'finalizers').includes('orphan');
const brief = (object: Fields): unknown => ({ kind: object['kind'], metadata: object['metadata'], status: object['kind'] === 'Status' ? object : undefined });

/** Makes one of a name, with the label by which the case finds its own. */
async function make(api: Dialogue, example: Example, base: string, metadata: Fields = {}): Promise<string> {
  const { all, object } = placed(api, example);
  const name = example.cluster === true ? api.name(base) : base;
  await api.quietly('POST', all, { ...object, metadata: { name, labels: { contract: api.token, base }, ...metadata } });
  if (example.cluster === true) api.removeLater(`${all}/${name}`);
  return `${all}/${name}`;
}

async function many(api: Dialogue, example: Example): Promise<void> {
  await example.define?.(api);
  const { all, object } = placed(api, example);
  const mine = mineOf(api);
  for (const base of ['a', 'b', 'c']) {
    const one = await make(api, example, base);
    await api.quietly('PATCH', one, { metadata: { finalizers: null } }, { type: MERGE }); // a claim's, which a controller would take away
  }
  const first = await api.ask('GET', `${all}?${mine}&limit=2`, undefined, part);
  await api.ask('GET', `${all}?${mine}&limit=2&continue=${encodeURIComponent(textAt(first.body, 'metadata', 'continue'))}`, undefined, { ...part, shown: 'the rest' });
  await api.ask('GET', `${all}?${mine}&resourceVersion=0`, undefined, part);
  await api.ask('GET', `${all}?labelSelector=contract%3D${api.token},base+notin+(a)`, undefined, part);
  await api.ask('GET', `${all}?${mine}&fieldSelector=metadata.name%3D${example.cluster === true ? api.name('b') : 'b'}`, undefined, part);
  await api.ask('GET', `${all}?${mine}&fieldSelector=spec.none%3Db`, undefined, part);
  await api.ask('POST', `${all}?dryRun=All`, { ...object, metadata: { generateName: 'made-', labels: { contract: api.token } } }, { part: brief });
  const held = await make(api, example, 'held', { finalizers: ['example.com/hold'] });
  await api.ask('DELETE', held, undefined, { part: brief });
  await api.until(async () => isOrphaned((await api.quietly('GET', held)).body));
  await api.ask('GET', held, undefined, { part: ({ metadata }) => metadata });
  await api.ask('PATCH', held, { metadata: { finalizers: null } }, { type: MERGE, part: ({ kind }) => kind });
  await api.until(async () => (await api.quietly('GET', held)).code === 404);
  const { code } = await api.ask('DELETE', `${all}?${mine}&propagationPolicy=Background`, undefined, { part: names });
  if (code === 200) await api.until(async () => ((await api.quietly('GET', `${all}?${mine}`)).body as { items: unknown[] }).items.length === 0);
}

/** From what there is, from a version, from one that is forgotten; with bookmarks asked for. */
async function watched(api: Dialogue, example: Example): Promise<void> {
  await example.define?.(api);
  const { all } = placed(api, example);
  const watch = `${all}?watch=true&timeoutSeconds=20&allowWatchBookmarks=true&${mineOf(api)}`;
  const one = await make(api, example, 'a');
  const version = textAt(bodyOf(await api.quietly('GET', one)), 'metadata', 'resourceVersion');
  const change = async (): Promise<void> => {
    await api.quietly('PATCH', one, { metadata: { labels: { more: 'x' } } }, { type: MERGE });
    const other = await make(api, example, 'b');
    await api.quietly('DELETE', `${other}?propagationPolicy=Background`);
  };
  const shown = (event: Fields): Fields => ({ type: event['type'], name: textAt(event['object'], 'metadata', 'name'), labels: ((event['object'] as Fields)['metadata'] as Fields | undefined)?.['labels'], ...(event['type'] === 'ERROR' ? { object: event['object'] } : {}) });
  await api.watch(`${watch}&resourceVersion=0`, 4, change, { event: shown });
  await api.watch(`${watch}&resourceVersion=${version}`, 3, async () => undefined, { shown: 'an exact version', event: shown });
  await api.watch(`${watch}&resourceVersion=1`, 1, async () => undefined, { event: shown });
}

/** Lists of one version and of a forgotten one, in pages too. */
async function versions(api: Dialogue, example: Example): Promise<void> {
  await example.define?.(api);
  const all = `${placed(api, example).all}?${mineOf(api)}`;
  for (const base of ['a', 'b']) await make(api, example, base);
  const first = bodyOf(await api.quietly('GET', `${all}&limit=1`));
  const [version, token] = [textAt(first, 'metadata', 'resourceVersion'), textAt(first, 'metadata', 'continue')];
  await make(api, example, 'c');
  const page = (from: string): string => `${all}&limit=5&continue=${encodeURIComponent(from)}`;
  await api.ask('GET', page(token), undefined, { ...part, shown: 'the rest of that version' });
  const gone = await api.ask('GET', page(forgotten(token)), undefined, { ...part, shown: 'the rest of a forgotten version' });
  await api.ask('GET', page(textAt(gone.body, 'metadata', 'continue')), undefined, { ...part, shown: 'the rest of another version' });
  await api.ask('GET', `${all}&limit=1&resourceVersion=${version}&resourceVersionMatch=Exact`, undefined, { ...part, shown: 'a page of the exact version' });
  await api.ask('GET', `${all}&resourceVersion=${version}&resourceVersionMatch=NotOlderThan`, undefined, { ...part, shown: 'not older than it' });
  await api.ask('GET', `${all}&resourceVersion=1&resourceVersionMatch=Exact`, undefined, part);
  await api.ask('GET', `${all}&resourceVersion=1&resourceVersionMatch=NotOlderThan`, undefined, part);
}

/** The same page of a version that no server remembers. */
function forgotten(token: string): string {
  const page = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as Fields;
  return Buffer.from(JSON.stringify({ ...page, rv: 1 })).toString('base64url');
}

/** Of a bookmark what its readers may rely on: what it is of, and metadata but for what a conversion puts there. */
function shownEvent({ type, object }: Fields): Fields {
  if (type === 'ERROR') return { type, object };
  if (type !== 'BOOKMARK') return { type, name: textAt(object, 'metadata', 'name') };
  const { annotations = {}, ...metadata } = fieldsAt(object, 'metadata');
  const kept = Object.entries(annotations as Fields).filter(([name]) => !name.startsWith('deprecated.'));
  return { type, name: '', of: [textAt(object, 'apiVersion'), textAt(object, 'kind')], metadata: { ...metadata, ...(kept.length > 0 ? { annotations: Object.fromEntries(kept) } : {}) } };
}

async function initial(api: Dialogue, example: Example): Promise<void> {
  await api.needsWatchList();
  await example.define?.(api);
  const { all } = placed(api, example);
  for (const base of ['a', 'b']) await make(api, example, base);
  const version = textAt((await api.quietly('GET', all)).body, 'metadata', 'resourceVersion');
  const watch = `${all}?watch=true&timeoutSeconds=20&allowWatchBookmarks=true&${mineOf(api)}`;
  const match = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan';
  const options = { event: shownEvent, bookmarks: 'initial' as const };
  await api.watch(`${watch}&${match}`, 4, async () => void (await make(api, example, 'c')), { ...options, after: 3 });
  await api.watch(`${watch}&${match}&resourceVersion=${version}`, 4, async () => undefined, { ...options, shown: 'what there is, not older than a version' });
  await api.watch(`${watch}&${match}&resourceVersion=1`, 4, async () => undefined, options);
  await api.watch(`${watch}&resourceVersion=0`, 4, async () => undefined, options);
  await api.watch(`${watch}&sendInitialEvents=false&resourceVersionMatch=NotOlderThan`, 1, async () => void (await make(api, example, 'd')), options);
}

/** A watch whose selector selects nothing is told that versions have passed, before it ends: mostly, by a real server, which is asked again. */
async function bookmarked(api: Dialogue, example: Example): Promise<void> {
  const { all } = placed(api, example);
  const version = textAt(bodyOf(await api.quietly('GET', await make(api, example, 'a'))), 'metadata', 'resourceVersion');
  const watch = `${all}?watch=true&timeoutSeconds=3&allowWatchBookmarks=true&labelSelector=contract%3Dnone&resourceVersion=${version}`;
  const options = { event: shownEvent, bookmarks: 'all', shown: 'a bookmark', unlessNone: true } as const;
  await api.until(async () => (await api.watch(watch, 1, async () => void (await make(api, example, 'b')), options)).length > 0);
}
