import { textAt } from '../../../../agent/apiserver/kube-object.js';
import { MERGE, TABLE, type Dialogue } from '../dialogue.js';
import type { Cases } from './areas.js';

const make = async (api: Dialogue, name: string, labels: Record<string, string> = {}): Promise<void> => {
  await api.quietly('POST', api.core('secrets'), { metadata: { name, labels: { contract: api.token, ...labels } } });
};
const touch = async (api: Dialogue, name: string, labels: Record<string, string | null>): Promise<void> => {
  await api.quietly('PATCH', api.core(`secrets/${name}`), { metadata: { labels } }, { type: MERGE });
};
const remove = async (api: Dialogue, name: string): Promise<void> => {
  await api.quietly('DELETE', api.core(`secrets/${name}`));
};
const watched = (api: Dialogue, more: string, seconds = 20): string => api.core(`secrets?watch=true&timeoutSeconds=${seconds}${more}`);
const versionNow = async (api: Dialogue): Promise<string> => textAt((await api.quietly('GET', api.core('secrets'))).body, 'metadata', 'resourceVersion');

export const watches: Cases = {
  'version 0 shows what there is, then changes': async (api) => {
    await make(api, 'a');
    await api.watch(watched(api, '&resourceVersion=0'), 4, async () => {
      await make(api, 'b');
      await touch(api, 'a', { touched: 'yes' });
      await remove(api, 'b');
    });
  },
  'no version shows what there is, then changes': async (api) => {
    await make(api, 'a');
    await api.watch(watched(api, ''), 2, () => make(api, 'b'));
  },
  'an exact version shows what came after it': async (api) => {
    await make(api, 'a');
    const version = await versionNow(api);
    await make(api, 'b');
    await remove(api, 'a');
    await api.watch(watched(api, `&resourceVersion=${version}`), 3, () => make(api, 'c'), { shown: 'an exact version' });
  },
  'a selector turns changes of labels into additions and deletions': async (api) => {
    await make(api, 'a', { seen: 'yes' });
    await make(api, 'b');
    await api.watch(watched(api, '&resourceVersion=0&labelSelector=seen%3Dyes'), 4, async () => {
      await touch(api, 'b', { seen: 'yes' });
      await touch(api, 'a', { more: 'x' });
      await touch(api, 'a', { seen: null });
    });
  },
  'a field selector watches one object': async (api) => {
    await make(api, 'a');
    await make(api, 'b');
    await api.watch(watched(api, '&resourceVersion=0&fieldSelector=metadata.name%3Db'), 2, async () => {
      await touch(api, 'a', { x: 'y' });
      await touch(api, 'b', { x: 'y' });
    });
  },
  'a path of one object is read, not watched': async (api) => {
    await make(api, 'a');
    await api.ask('GET', api.core('secrets/a?watch=true&resourceVersion=0'));
  },
  'a version that was forgotten is gone': async (api) => {
    await api.watch(watched(api, '&resourceVersion=1'), 1);
  },
  'a version that is no number is refused': async (api) => {
    await api.watch(watched(api, '&resourceVersion=nonsense'), 1);
  },
  'initial events end with a bookmark': async (api) => {
    await api.needsWatchList();
    await make(api, 'a');
    await make(api, 'b');
    await api.watch(watched(api, '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'), 4, () => make(api, 'c'), { bookmarks: 'initial' });
  },
  'initial events need bookmarks and a match': async (api) => {
    await api.needsWatchList();
    await api.watch(watched(api, '&sendInitialEvents=true'), 1);
    await api.watch(watched(api, '&sendInitialEvents=true&resourceVersionMatch=NotOlderThan', 1), 1, async () => undefined, { bookmarks: 'all' });
    await api.watch(watched(api, '&sendInitialEvents=true&resourceVersionMatch=Exact&allowWatchBookmarks=true'), 1);
    await api.watch(watched(api, '&resourceVersionMatch=NotOlderThan'), 1);
    await api.ask('GET', api.core('secrets?sendInitialEvents=true&resourceVersionMatch=NotOlderThan'));
  },
  'a watch without initial events starts now': async (api) => {
    await api.needsWatchList();
    await make(api, 'a');
    await api.watch(watched(api, '&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'), 1, () => make(api, 'b'));
  },
  'a watch of a table has its columns in the first event': async (api) => {
    await make(api, 'a');
    await api.watch(watched(api, '&resourceVersion=0&includeObject=None'), 2, () => make(api, 'b'), { accept: TABLE });
  },
  'a watch ends when its time is up': async (api) => {
    await make(api, 'a');
    await api.watch(api.core('secrets?watch=true&resourceVersion=0&timeoutSeconds=1'), 99);
  },
  'a pod without a node is marked and gone': async (api) => {
    await api.quietly('POST', api.core('pods'), { metadata: { name: 'p' }, spec: { schedulerName: 'nobody', automountServiceAccountToken: false, containers: [{ name: 'c', image: 'i' }] } });
    const version = textAt((await api.quietly('GET', api.core('pods'))).body, 'metadata', 'resourceVersion');
    await api.watch(api.core(`pods?watch=true&timeoutSeconds=20&resourceVersion=${version}`), 2, async () => void (await api.quietly('DELETE', api.core('pods/p'))), { shown: 'the deletion of a pod' });
  },
};
