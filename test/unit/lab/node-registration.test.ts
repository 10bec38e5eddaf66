import { expect, it } from 'vitest';
import { registerNode, type RegistrationOptions } from '../../../agent/lab/kubelet/node-registration.js';

it("a node has the annotation that every kubelet's has: flanneld panics on a node with none", async () => {
  const created: unknown[] = [];
  const client = { create: (_resource: unknown, _namespace: unknown, object: unknown) => Promise.resolve(created.push(object)) };
  await registerNode({ node: { name: 'n1' }, client, cache: { put: () => undefined }, labels: {} } as unknown as RegistrationOptions);
  expect(created).toMatchObject([{ metadata: { name: 'n1', annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' } } }]);
});
