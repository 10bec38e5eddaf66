/** Namespaces and pods of Kubernetes' network policy suite: x, y, z with a, b, c each; label `pod` holds a pod's name, `ns` a namespace's. */
export const NAMESPACES = ['x', 'y', 'z'] as const;
export const PODS = ['a', 'b', 'c'] as const;
export const ALL_PODS: readonly string[] = NAMESPACES.flatMap((ns) => PODS.map((pod) => `${ns}/${pod}`));

/** Who may reach whom, starting from everybody everybody. `'x'` is a namespace, `'x/a'` a pod, `'*'` all of them. */
export class Reachability {
  private readonly denied = new Set<string>();

  /** Traffic from `from` to `to` does not arrive. */
  deny(from: string, to: string): this {
    return this.set(from, to, false);
  }

  /** Traffic from `from` to `to` arrives, whatever was said before. */
  allow(from: string, to: string): this {
    return this.set(from, to, true);
  }

  /** Every pair but a pod with itself, which the suite leaves undefined. */
  *pairs(): Generator<{ from: string; to: string; allowed: boolean }> {
    for (const from of ALL_PODS) {
      for (const to of ALL_PODS) if (from !== to) yield { from, to, allowed: !this.denied.has(`${from} ${to}`) };
    }
  }

  private set(from: string, to: string, allowed: boolean): this {
    for (const f of expand(from)) {
      for (const t of expand(to)) {
        if (allowed) this.denied.delete(`${f} ${t}`);
        else this.denied.add(`${f} ${t}`);
      }
    }
    return this;
  }
}

const expand = (who: string): readonly string[] => ALL_PODS.filter((pod) => who === '*' || pod === who || pod.startsWith(`${who}/`));

/** Everybody reaches everybody. */
export const all = (): Reachability => new Reachability();
