import { textAt, type Fields } from '../../../../agent/apiserver/kube-object.js';
import type { Dialogue } from '../dialogue.js';
import type { Cases } from './areas.js';

const WIDTHS = ['1', '2', '3', '4', '5'];

/** Five ConfigMaps, of which the odd ones are labelled so. */
async function makeFive(api: Dialogue): Promise<void> {
  for (const name of WIDTHS) {
    const labels = { contract: api.token, number: name, ...(Number(name) % 2 === 1 ? { odd: 'yes' } : {}) };
    await api.quietly('POST', api.core('configmaps'), { metadata: { name, labels } });
  }
}

const mine = (api: Dialogue, more = ''): string => api.core(`configmaps?labelSelector=contract%3D${api.token}${more}`);
const names = (list: Fields): unknown => ({ kind: list['kind'], metadata: list['metadata'], names: ((list['items'] ?? []) as Fields[]).map((item) => textAt(item, 'metadata', 'name')), ...(list['kind'] === 'Status' ? { message: list['message'], reason: list['reason'], code: list['code'] } : {}) });
const part = { part: names };

async function selects(api: Dialogue, ...selectors: string[]): Promise<void> {
  await makeFive(api);
  for (const selector of selectors) await api.ask('GET', api.core(`configmaps?${selector}`), undefined, part);
}

const label = (selector: string): string => `labelSelector=${encodeURIComponent(selector)}`;
const field = (selector: string): string => `fieldSelector=${encodeURIComponent(selector)}`;

export const reads: Cases = {
  'a list comes in pages of one version': async (api) => {
    await makeFive(api);
    const first = await api.ask('GET', mine(api, '&limit=2'), undefined, part);
    await api.quietly('DELETE', api.core('configmaps/4'));
    await api.quietly('POST', api.core('configmaps'), { metadata: { name: '45', labels: { contract: api.token } } });
    const next = (from: unknown): string => mine(api, `&limit=2&continue=${encodeURIComponent(textAt(from, 'metadata', 'continue'))}`);
    const second = await api.ask('GET', next(first.body), undefined, { part: names, shown: 'the second page' });
    await api.ask('GET', next(second.body), undefined, { part: names, shown: 'the third page' });
    await api.ask('GET', mine(api), undefined, part);
  },
  'all pages without a selector say how many remain': async (api) => {
    for (const name of WIDTHS) await api.quietly('POST', api.core('services'), { metadata: { name: `s${name}` }, spec: { ports: [{ port: 80 }] } });
    const first = await api.ask('GET', api.core('services?limit=2'), undefined, part);
    await api.ask('GET', api.core(`services?limit=10&continue=${encodeURIComponent(textAt(first.body, 'metadata', 'continue'))}`), undefined, { part: names, shown: 'the rest' });
  },
  'bad continuations and limits are refused': async (api) => {
    await api.ask('GET', mine(api, '&limit=2&continue=nonsense'));
    await api.ask('GET', mine(api, '&limit=x'));
    await api.ask('GET', mine(api, '&limit=-1'), undefined, part);
  },
  'label selectors select': (api) => selects(api, label('odd'), label('!odd,number'), label('number in (1,2)'), label('number notin (1,2),contract'), label('odd=yes,number!=1'), label('odd==yes'), label('number>3'), label('number<3')),
  'bad label selectors are refused': (api) => selects(api, label('a b'), label('a in'), label('a in ()'), label('=b'), label('a>x'), label('a=b=c'), label('-a=b')),
  'field selectors select': async (api) => {
    await selects(api, field('metadata.name=3'), field('metadata.name!=3,metadata.name!=kube-root-ca.crt'), field(`metadata.namespace=${api.namespace},metadata.name=1`), field('metadata.namespace=elsewhere'));
    await api.quietly('POST', api.core('pods'), { metadata: { name: 'placed' }, spec: { nodeName: 'nowhere', schedulerName: 'nobody', automountServiceAccountToken: false, containers: [{ name: 'c', image: 'i' }] } });
    await api.quietly('POST', api.core('pods'), { metadata: { name: 'loose' }, spec: { schedulerName: 'nobody', automountServiceAccountToken: false, containers: [{ name: 'c', image: 'i' }] } });
    for (const selector of ['spec.nodeName=nowhere', 'spec.nodeName=', 'spec.nodeName!=nowhere', 'status.phase=Pending,metadata.name=loose', 'spec.restartPolicy=Always', 'spec.schedulerName=nobody', 'spec.serviceAccountName=default', 'status.podIP=', 'spec.hostNetwork=false']) {
      await api.ask('GET', api.core(`pods?${field(selector)}`), undefined, part);
    }
  },
  'bad field selectors are refused': async (api) => {
    await selects(api, field('spec.none=1'), field('metadata.name'), field('metadata.labels=1'));
    await api.ask('GET', api.core(`pods?${field('spec.none=1')}`));
  },
  'a list may ask for a version': async (api) => {
    await makeFive(api);
    const version = textAt((await api.quietly('GET', mine(api))).body, 'metadata', 'resourceVersion');
    await api.quietly('DELETE', api.core('configmaps/3'));
    await api.ask('GET', mine(api, `&resourceVersion=${version}&resourceVersionMatch=Exact`), undefined, { part: names, shown: 'the exact version' });
    await api.ask('GET', mine(api, `&resourceVersion=${version}&resourceVersionMatch=NotOlderThan`), undefined, { part: names, shown: 'not older' });
    await api.ask('GET', mine(api, '&resourceVersionMatch=Exact'));
    await api.ask('GET', mine(api, '&resourceVersion=0&resourceVersionMatch=Exact'));
    await api.ask('GET', mine(api, '&resourceVersion=nonsense'));
    await api.ask('GET', mine(api, '&resourceVersion=0&resourceVersionMatch=Sometimes'));
  },
  'what is not there is not found': async (api) => {
    for (const path of ['configmaps/none', 'nothings', 'pods/none/log', 'pods/none/status', 'configmaps/none/status']) await api.ask('GET', api.core(path));
    await api.ask('GET', '/api/v2/pods');
    await api.ask('GET', '/apis/none.example.com/v1/things');
    await api.ask('GET', '/apis/apps/v2');
    await api.ask('GET', '/api/v1/namespaces/none-such/configmaps', undefined, part);
    await api.ask('GET', '/api/v1/namespaces/none-such');
  },
  'methods that a path does not have are refused': async (api) => {
    await api.ask('PUT', api.core('configmaps'), {});
    await api.ask('POST', api.core('configmaps/a'), {});
    await api.ask('PATCH', api.core('configmaps'), {}, { type: 'application/merge-patch+json' });
    await api.ask('DELETE', '/api/v1/nodes/none-such');
  },
  'metadata alone can be asked for': async (api) => {
    await makeFive(api);
    const accept = 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';
    await api.ask('GET', api.core(`configmaps?${label('number=1')}`), undefined, { accept });
    await api.ask('GET', api.core('configmaps/1'), undefined, { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' });
  },
};
