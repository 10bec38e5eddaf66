import { Cidr } from '../../base/address.js';

/** Names by prefix, to be asked which of them overlap another one: with the same few lengths everywhere an answer costs that many look-ups. */
export class SubnetIndex {
  /** That were ever added. */
  readonly #lengths = new Set<number>();
  readonly #exact = new Map<string, Set<string>>();
  /** Names of prefixes within one of those lengths, themselves longer. */
  readonly #inside = new Map<string, Set<string>>();
  readonly #subnets = new Map<string, Cidr>();

  /** A name has one subnet. */
  add(name: string, subnet: Cidr): void {
    this.#learn(subnet.length);
    this.#subnets.set(name, subnet);
    join(this.#exact, subnet.text, name);
    for (const wider of this.#wider(subnet)) join(this.#inside, wider, name);
  }

  remove(name: string): void {
    const subnet = this.#subnets.get(name);
    if (subnet === undefined) return;
    this.#subnets.delete(name);
    leave(this.#exact, subnet.text, name);
    for (const wider of this.#wider(subnet)) leave(this.#inside, wider, name);
  }

  /** @param subnet of a length that was added */
  *overlapping(subnet: Cidr): Generator<string> {
    yield* this.#exact.get(subnet.text) ?? [];
    yield* this.#inside.get(subnet.text) ?? [];
    for (const wider of this.#wider(subnet)) yield* this.#exact.get(wider) ?? [];
  }

  /** A length that is new is worth a look at all there is. */
  #learn(length: number): void {
    if (this.#lengths.has(length)) return;
    this.#lengths.add(length);
    for (const [name, subnet] of this.#subnets) if (subnet.length > length) join(this.#inside, Cidr.of(subnet.address, length).text, name);
  }

  #wider(subnet: Cidr): string[] {
    return [...this.#lengths].filter((length) => length < subnet.length).map((length) => Cidr.of(subnet.address, length).text);
  }
}

/** Puts a name under a key. */
export function join(groups: Map<string, Set<string>>, key: string, name: string): void {
  const group = groups.get(key);
  if (group === undefined) groups.set(key, new Set([name]));
  else group.add(name);
}

export function leave(groups: Map<string, Set<string>>, key: string, name: string): void {
  const group = groups.get(key);
  if (group?.delete(name) === true && group.size === 0) groups.delete(key);
}
