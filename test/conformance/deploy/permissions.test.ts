import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** `verb group resource`, as test/kubernetes/requests.txt has them. */
function granted(): string[] {
  const documents = parseAllDocuments(readFileSync('deploy/canal.yaml', 'utf8')).map((d) => d.toJS() as { kind: string; rules?: readonly Rule[] });
  const rules = documents.filter((d) => d.kind === 'ClusterRole' || d.kind === 'Role').flatMap((d) => d.rules ?? []);
  return rules.flatMap(({ apiGroups, resources, verbs }) =>
    verbs.flatMap((verb) => apiGroups.flatMap((group) => resources.map((resource) => `${verb} ${group === '' ? 'core' : group} ${resource}`))));
}

it('the manifest permits what the agent was seen to ask of a real API server, each once and nothing else', () => {
  const seen = readFileSync('test/kubernetes/requests.txt', 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(granted().sort()).toEqual(seen.sort());
});
