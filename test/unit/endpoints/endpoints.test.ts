import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../../agent/base/address.js';
import { MapEditor } from '../../../agent/base/versioned-map.js';
import type { LocalEndpoint, PolicyState } from '../../../agent/compile/desired.js';
import { compileEndpoints, EndpointCompiler, type EndpointInput, type EndpointState } from '../../../agent/compile/endpoints/endpoints.js';
import { Random, testSeed } from '../../support/random.js';

const SETTINGS = { routeProtocol: 80, routeMetric: 0 };
const seed = testSeed();

/** Few names and addresses, so that pods come back, and claim what others have. */
function randomEndpoint(random: Random, ifindex: number): LocalEndpoint {
  const n = random.int(0, 5);
  const addresses = random.chance(0.1) ? [] : [IpAddress.parse(`10.42.0.${random.int(2, 7)}`)!, ...(random.chance(0.3) ? [IpAddress.parse(`fd00::${random.int(2, 4)}`)!] : [])];
  return {
    containerId: `c${ifindex}`, ifname: 'eth0', netns: '', namespace: 'shop', pod: random.chance(0.1) ? '' : `p${n}`, podUid: '', hostDevice: `cali${ifindex % 9}`,
    podMac: '0a:00:00:00:00:01', addresses, mtu: 1450, ifindex, hostMac: 'ee:ee:ee:ee:ee:ee',
  };
}

type Tables = PolicyState['endpoints'] extends ReadonlyMap<string, infer T> ? T : never;

/** What may happen to a node's pods. */
class Node {
  #endpoints: readonly LocalEndpoint[] = [];
  #up: ReadonlySet<number> = new Set();
  readonly #policy = new MapEditor<string, Tables>();
  #next = 10;

  constructor(private readonly random: Random) {}

  get input(): EndpointInput {
    return { endpoints: this.#endpoints, up: this.#up, policy: { endpoints: this.#policy.version() } };
  }

  step(): void {
    const { random } = this;
    switch (random.int(0, 4)) {
      case 0: return this.#attach();
      case 1: return this.#detach();
      case 2: return this.#decide();
      case 3: return void (this.#up = new Set(this.#endpoints.filter(() => random.chance(0.8)).map(({ ifindex }) => ifindex)));
      default: return void (this.#endpoints = [...this.#endpoints]); // the same ones, in another list
    }
  }

  /** A device's name is one endpoint's at a time. */
  #attach(): void {
    const endpoint = randomEndpoint(this.random, this.#next++);
    this.#endpoints = [...this.#endpoints.filter(({ hostDevice }) => hostDevice !== endpoint.hostDevice), endpoint];
    if (this.random.chance(0.5)) this.#up = new Set([...this.#up, endpoint.ifindex]);
  }

  #detach(): void {
    const gone = this.random.int(0, Math.max(0, this.#endpoints.length - 1));
    this.#endpoints = this.#endpoints.filter((_, i) => i !== gone);
  }

  #decide(): void {
    const key = `shop/p${this.random.int(0, 5)}`;
    if (this.random.chance(0.3)) this.#policy.delete(key);
    else this.#policy.set(key, { ingressTable: BigInt(this.random.int(0, 2)), egressTable: BigInt(this.random.int(0, 2)) });
  }
}

const told = (state: EndpointState): unknown => Object.entries(state).map(([part, map]) => [part, [...(map as ReadonlyMap<unknown, unknown>)].sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1))]);

describe('the compiler of local pods', () => {
  it('gives after any sequence of changes what a compile from nothing gives, and does not change what it gave away', () => {
    console.log(`seed ${seed}`);
    const random = new Random(seed);
    for (let run = 0; run < 40; run++) {
      const compiler = new EndpointCompiler(SETTINGS);
      const node = new Node(random);
      let before: { readonly state: EndpointState; readonly told: unknown } | undefined;
      for (let step = 0; step < 40; step++) {
        for (let n = random.int(1, 3); n > 0; n--) node.step();
        const state = compiler.sync(node.input);
        expect(told(state), `seed ${seed}, run ${run}, step ${step}`).toEqual(told(compileEndpoints(node.input, SETTINGS)));
        if (before !== undefined) expect(told(before.state)).toEqual(before.told);
        before = { state, told: told(state) };
      }
    }
  });

  it('gives the same maps where nothing has changed, whatever list the pods come in', () => {
    const node = new Node(new Random(seed));
    for (let n = 0; n < 20; n++) node.step();
    const compiler = new EndpointCompiler(SETTINGS);
    const first = compiler.sync(node.input);
    const second = compiler.sync({ ...node.input, endpoints: [...node.input.endpoints], up: new Set(node.input.up) });
    for (const part of Object.keys(first) as (keyof EndpointState)[]) expect(second[part]).toBe(first[part]);
  });
});
