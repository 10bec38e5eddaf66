import { describe, expect, it } from 'vitest';
import { applyPatch, JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH } from '../../../agent/apiserver/patch/patch.js';
import { strategicMerge } from '../../../agent/apiserver/patch/strategic-merge.js';
import { builtInKinds } from '../../../agent/apiserver/registry/kinds.js';
import { modelSchema } from '../../../agent/apiserver/schema/model-schema.js';
import type { Fields, KubeObject } from '../../../agent/apiserver/kube-object.js';

const pod = builtInKinds().find((kind) => kind.kind === 'Pod')!;
const podSchema = modelSchema('V1Pod');
const deploymentSchema = modelSchema('V1Deployment');

const base: KubeObject = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'a', labels: { app: 'web', tier: 'x' }, finalizers: ['a/b'] },
  spec: {
    containers: [
      { name: 'one', image: 'i1', env: [{ name: 'A', value: '1' }] },
      { name: 'two', image: 'i2' },
    ],
    volumes: [{ name: 'v', configMap: { name: 'c' } }],
  },
};

const cases: readonly { title: string; schema: typeof podSchema; original: Fields; patch: Fields; expected: Fields }[] = [
  {
    title: 'merges a container by its name and keeps the others',
    schema: podSchema,
    original: base,
    patch: { spec: { containers: [{ name: 'one', image: 'new' }] } },
    expected: { ...base, spec: { ...(base['spec'] as object), containers: [{ name: 'one', image: 'new', env: [{ name: 'A', value: '1' }] }, { name: 'two', image: 'i2' }] } },
  },
  {
    title: 'adds what has a new merge key and merges nested keyed lists',
    schema: podSchema,
    original: { spec: { containers: [{ name: 'one', env: [{ name: 'A', value: '1' }] }] } },
    patch: { spec: { containers: [{ name: 'one', env: [{ name: 'B', value: '2' }] }, { name: 'new' }] } },
    expected: { spec: { containers: [{ name: 'one', env: [{ name: 'B', value: '2' }, { name: 'A', value: '1' }] }, { name: 'new' }] } },
  },
  {
    title: 'deletes the item that carries $patch: delete',
    schema: podSchema,
    original: { spec: { containers: [{ name: 'one' }, { name: 'two' }] } },
    patch: { spec: { containers: [{ $patch: 'delete', name: 'one' }] } },
    expected: { spec: { containers: [{ name: 'two' }] } },
  },
  {
    title: 'replaces the whole list where an item is only $patch: replace',
    schema: podSchema,
    original: { spec: { containers: [{ name: 'one' }, { name: 'two' }] } },
    patch: { spec: { containers: [{ name: 'three' }, { $patch: 'replace' }] } },
    expected: { spec: { containers: [{ name: 'three' }] } },
  },
  {
    title: 'orders items as $setElementOrder says and leaves server-only ones in their place',
    schema: podSchema,
    original: { spec: { containers: [{ name: 'a' }, { name: 'server' }, { name: 'b' }] } },
    patch: { spec: { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }, { name: 'c' }], containers: [{ name: 'c' }] } },
    expected: { spec: { containers: [{ name: 'server' }, { name: 'b' }, { name: 'a' }, { name: 'c' }] } },
  },
  {
    title: 'keeps only the retained keys of a deployment strategy',
    schema: deploymentSchema,
    original: { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } },
    patch: { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } },
    expected: { spec: { strategy: { type: 'Recreate' } } },
  },
  {
    title: 'removes primitives by $deleteFromPrimitiveList and adds new ones once',
    schema: podSchema,
    original: { metadata: { finalizers: ['a/b', 'c/d'] } },
    patch: { metadata: { '$deleteFromPrimitiveList/finalizers': ['a/b'], finalizers: ['c/d', 'e/f'] } },
    expected: { metadata: { finalizers: ['c/d', 'e/f'] } },
  },
  {
    title: 'deletes a key that is null and replaces lists without a merge key',
    schema: podSchema,
    original: { metadata: { labels: { a: '1', b: '2' } }, spec: { containers: [{ name: 'x', command: ['a', 'b'] }] } },
    patch: { metadata: { labels: { a: null } }, spec: { containers: [{ name: 'x', command: ['c'] }] } },
    expected: { metadata: { labels: { b: '2' } }, spec: { containers: [{ name: 'x', command: ['c'] }] } },
  },
  {
    title: 'stores neither directives nor nulls of new content',
    schema: podSchema,
    original: {},
    patch: { spec: { '$setElementOrder/containers': [{ name: 'x' }], containers: [{ name: 'x', resources: { limits: null } }] } },
    expected: { spec: { containers: [{ name: 'x', resources: {} }] } },
  },
];

describe('strategic merge patch', () => {
  it.each(cases)('$title', ({ schema, original, patch, expected }) => {
    const before = structuredClone(original);
    expect(strategicMerge(original, patch, schema)).toEqual(expected);
    expect(original).toEqual(before);
  });

  it('refuses a list item without its merge key', () => {
    expect(() => strategicMerge(base, { spec: { containers: [{ image: 'x' }] } }, podSchema)).toThrow(/does not contain declared merge key: name/);
  });
});

describe('the other patches', () => {
  it('merges objects, replaces lists and deletes nulls (RFC 7386)', () => {
    const patched = applyPatch(pod, base, MERGE_PATCH, { metadata: { labels: { tier: null } }, spec: { containers: [{ name: 'x' }] } });
    expect(patched['metadata']).toEqual({ name: 'a', labels: { app: 'web' }, finalizers: ['a/b'] });
    expect((patched['spec'] as Fields)['containers']).toEqual([{ name: 'x' }]);
  });

  it('applies JSON patches and answers 422 for one whose test fails', () => {
    expect(applyPatch(pod, base, JSON_PATCH, [{ op: 'replace', path: '/spec/containers/0/image', value: 'z' }])).toMatchObject({ spec: { containers: [{ image: 'z' }, {}] } });
    expect(() => applyPatch(pod, base, JSON_PATCH, [{ op: 'test', path: '/metadata/name', value: 'other' }])).toThrow(expect.objectContaining({ code: 422 }) as Error);
  });

  it('answers 415 for a strategic merge of a custom kind and for unknown types', () => {
    expect(() => applyPatch({ ...pod, custom: true }, base, STRATEGIC_MERGE_PATCH, {})).toThrow(expect.objectContaining({ code: 415 }) as Error);
    expect(() => applyPatch(pod, base, 'text/plain', {})).toThrow(expect.objectContaining({ code: 415 }) as Error);
  });
});
