import type { Pod } from '../../agent/model/objects.js';
import { type Scene, type SceneSize, endpointOf, policyKey, randomAddress, randomLabels, randomPod } from './generate.js';
import { randomPolicy } from './generate-policy.js';
import type { Random } from '../support/random.js';

/** The scene after a few things happened to it; what did not change is the same object. */
export function randomEdit(random: Random, scene: Scene, size: SceneSize, edits = 1): Scene {
  let edited = scene;
  for (let i = 0; i < edits; i++) edited = random.pick(EDITS)(random, edited, size);
  return edited;
}

type Edit = (random: Random, scene: Scene, size: SceneSize) => Scene;

const EDITS: readonly Edit[] = [
  changePod((random, pod) => ({ ...pod, labels: randomLabels(random) })),
  changePod((random, pod) => ({ ...pod, labels: randomLabels(random) })),
  changePod((random, pod) => ({ ...pod, finished: !pod.finished, namedPorts: random.chance(0.5) ? [] : pod.namedPorts })),
  changePod((random, pod, size) => ({ ...pod, addresses: size.families.map((f) => randomAddress(random, f)) })),
  changePod((_, pod) => ({ ...pod })), // a new object that says the same
  addPod,
  removePod,
  relabelNamespace,
  removeNamespace,
  addPolicy,
  addPolicy,
  removePolicy,
  replacePolicy,
  changeTier,
  attach,
  detach,
];

function changePod(change: (random: Random, pod: Pod, size: SceneSize) => Pod): Edit {
  return (random, scene, size) => {
    const pods = new Map(scene.snapshot.pods);
    if (pods.size === 0) return scene;
    const [key, pod] = random.pick([...pods]);
    pods.set(key, change(random, pod, size));
    return { ...scene, snapshot: { ...scene.snapshot, pods } };
  };
}

function addPod(random: Random, { snapshot, facts }: Scene, size: SceneSize): Scene {
  const namespace = random.pick(['unseen', ...snapshot.namespaces.keys()]);
  const pod = randomPod(random, random.int(1000, 9999), namespace, size.families);
  const pods = new Map(snapshot.pods).set(`${pod.namespace}/${pod.name}`, pod);
  return { snapshot: { ...snapshot, pods }, facts };
}

function removePod(random: Random, { snapshot, facts }: Scene): Scene {
  const pods = new Map(snapshot.pods);
  if (pods.size > 0) pods.delete(random.pick([...pods.keys()]));
  return { snapshot: { ...snapshot, pods }, facts };
}

function relabelNamespace(random: Random, { snapshot, facts }: Scene): Scene {
  const namespaces = new Map(snapshot.namespaces);
  const name = random.pick(['unseen', ...namespaces.keys()]);
  namespaces.set(name, { name, labels: randomLabels(random) });
  return { snapshot: { ...snapshot, namespaces }, facts };
}

function removeNamespace(random: Random, { snapshot, facts }: Scene): Scene {
  if (snapshot.namespaces.size < 2) return { snapshot, facts };
  const namespaces = new Map(snapshot.namespaces);
  namespaces.delete(random.pick([...namespaces.keys()]));
  return { snapshot: { ...snapshot, namespaces }, facts };
}

function addPolicy(random: Random, { snapshot, facts }: Scene, size: SceneSize): Scene {
  const policy = randomPolicy(random, random.int(0, 99), random.pick(['unseen', ...snapshot.namespaces.keys()]), size);
  return { snapshot: { ...snapshot, policies: new Map(snapshot.policies).set(policyKey(policy), policy) }, facts };
}

function removePolicy(random: Random, { snapshot, facts }: Scene): Scene {
  const policies = new Map(snapshot.policies);
  if (policies.size > 0) policies.delete(random.pick([...policies.keys()]));
  return { snapshot: { ...snapshot, policies }, facts };
}

/** Same key, other content; or the same content in a new object. */
function replacePolicy(random: Random, { snapshot, facts }: Scene, size: SceneSize): Scene {
  if (snapshot.policies.size === 0) return { snapshot, facts };
  const [key, old] = random.pick([...snapshot.policies]);
  const other = randomPolicy(random, 0, old.key.namespace === '' ? 'ns-0' : old.key.namespace, size);
  const changed = random.chance(0.3) ? { ...old } : { ...other, key: old.key };
  return { snapshot: { ...snapshot, policies: new Map(snapshot.policies).set(key, changed) }, facts };
}

function changeTier(random: Random, { snapshot, facts }: Scene): Scene {
  const tiers = new Map(snapshot.tiers);
  const name = random.pick(['first', 'last', 'nowhere']);
  if (random.chance(0.3)) tiers.delete(name);
  else tiers.set(name, { name, order: random.pick([1, 5, undefined]), defaultAction: random.pick(['deny', 'pass']) });
  return { snapshot: { ...snapshot, tiers }, facts };
}

function attach(random: Random, { snapshot, facts }: Scene): Scene {
  const taken = new Set(facts.endpoints.flatMap((e) => e.addresses).map((a) => a.text));
  const names = new Set(facts.endpoints.map((e) => `${e.namespace}/${e.pod}`));
  const free = [...snapshot.pods.values()].filter((p) => !p.hostNetwork && !names.has(`${p.namespace}/${p.name}`) && !p.addresses.some((a) => taken.has(a.text)));
  if (free.length === 0) return { snapshot, facts };
  const pod = random.pick(free);
  const index = Math.max(0, ...facts.endpoints.map((e) => e.ifindex)) + 1;
  return { snapshot, facts: { ...facts, endpoints: [...facts.endpoints, endpointOf(pod.namespace, pod.name, pod.addresses, index)] } };
}

function detach(random: Random, { snapshot, facts }: Scene): Scene {
  if (facts.endpoints.length < 2) return { snapshot, facts };
  const gone = random.pick(facts.endpoints);
  return { snapshot, facts: { ...facts, endpoints: facts.endpoints.filter((e) => e !== gone) } };
}

/** The same scene in another order: no answer may depend on it. */
export function shuffledScene(random: Random, { snapshot, facts }: Scene): Scene {
  const shuffle = <T>(map: ReadonlyMap<string, T>): Map<string, T> => new Map(random.shuffled([...map]));
  return {
    snapshot: {
      ...snapshot,
      namespaces: shuffle(snapshot.namespaces), pods: shuffle(snapshot.pods), policies: shuffle(snapshot.policies), tiers: shuffle(snapshot.tiers),
    },
    facts: { ...facts, endpoints: random.shuffled(facts.endpoints) },
  };
}

