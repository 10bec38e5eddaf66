import { textAt, type Fields } from '../../../../agent/apiserver/kube-object.js';
import { MERGE, bodyOf, type Dialogue } from '../dialogue.js';
import type { Cases } from './areas.js';
import { KINDS, type Example } from './kinds.js';
import { placed } from './lives.js';

/** Of each kind: a few objects together, listed, watched and deleted. */
export const collections: Cases = Object.fromEntries(
  KINDS.filter(({ kind }) => kind !== 'CustomResourceDefinition').flatMap((example) => [
    [`${example.kind}: many are listed in pages, selected, and go together`, (api: Dialogue) => many(api, example)],
    [`${example.kind}: changes are watched`, (api: Dialogue) => watched(api, example)],
  ]),
);

const names = (list: Fields): unknown => ({ kind: list['kind'], metadata: list['metadata'], names: ((list['items'] ?? []) as Fields[]).map((item) => textAt(item, 'metadata', 'name')), ...(list['kind'] === 'Status' ? { message: list['message'], reason: list['reason'], code: list['code'] } : {}) });
const part = { part: names };
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
  const { all, object } = placed(api, example);
  const mine = `labelSelector=contract%3D${api.token}`;
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
  await api.ask('GET', held, undefined, { part: ({ metadata }) => metadata });
  await api.ask('PATCH', held, { metadata: { finalizers: null } }, { type: MERGE, part: ({ kind }) => kind });
  await api.until(async () => (await api.quietly('GET', held)).code === 404);
  await api.ask('DELETE', `${all}?${mine}&propagationPolicy=Background`, undefined, { part: names });
  await api.until(async () => ((await api.quietly('GET', `${all}?${mine}`)).body as { items: unknown[] }).items.length === 0);
}

/** From what there is, from a version, from one that is forgotten; with bookmarks asked for. */
async function watched(api: Dialogue, example: Example): Promise<void> {
  const { all } = placed(api, example);
  const watch = `${all}?watch=true&timeoutSeconds=20&allowWatchBookmarks=true&labelSelector=contract%3D${api.token}`;
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
