import { backText, backendText, frontText, liveText, rangeText, type BackendAddress, type FrontRow, type ServiceChanges } from '../../../agent/compile/services/rows.js';
import type { SlotHistory } from '../../../agent/compile/services/service.js';

/** The three maps of a kernel, to which changes are written, and the lookups that the programs make. */
export class Maps {
  readonly fronts = new Map<string, FrontRow>();
  readonly backs = new Map<string, BackendAddress>();
  readonly live = new Set<string>();
  readonly ranges = new Set<string>();
  /** Rows written or removed. */
  writes = 0;

  /** In the order that bpf/abi_service.h asks for; `after` runs after every single write. */
  write({ fronts, backs, live, ranges }: ServiceChanges, after: () => void = () => {}): void {
    const did = (): void => {
      this.writes++;
      after();
    };
    for (const { key } of live.put) { this.live.add(liveText(key)); did(); }
    for (const { key, row } of backs.put) { this.backs.set(backText(key), row); did(); }
    for (const { key } of ranges.put) { this.ranges.add(rangeText(key)); did(); }
    for (const { key, row } of fronts.put) { this.fronts.set(frontText(key), row); did(); }
    for (const key of fronts.gone) { this.fronts.delete(frontText(key)); did(); }
    for (const key of ranges.gone) { this.ranges.delete(rangeText(key)); did(); }
    for (const key of backs.gone) { this.backs.delete(backText(key)); did(); }
    for (const key of live.gone) { this.live.delete(liveText(key)); did(); }
  }

  /** What a frontend leads to, each once, sorted: `drop`, `refuse`, or backends. Throws where a slot or its live row is missing. Undefined: no service. */
  backends(front: string): readonly string[] | undefined {
    const row = this.fronts.get(front);
    if (row === undefined) return undefined;
    if (row.backends === 0) return [row.dropEmpty ? 'drop' : 'refuse'];
    const family = front.startsWith('[') ? 6 : 4;
    const found = Array.from({ length: row.backends }, (_, slot) => {
      const backend = this.backs.get(backText({ family, service: row.service, slot }));
      if (backend === undefined) throw new Error(`${front}: slot ${slot} of ${row.backends} is empty`);
      if (!this.live.has(liveText({ service: row.service, backend }))) throw new Error(`${front}: ${backendText(backend)} is not live`);
      return backendText(backend);
    });
    return [...new Set(found)].sort();
  }

  /** Everything that can be told apart from outside; slots cannot. */
  state(): Record<string, unknown> {
    const fronts = [...this.fronts].map(([front, { service, affinityS, sourceRanges, hashed }]) => [front, { service, affinityS, sourceRanges, hashed, backends: this.backends(front) }] as const);
    return { ...Object.fromEntries(fronts.sort(([a], [b]) => (a < b ? -1 : 1))), live: [...this.live].sort(), ranges: [...this.ranges].sort(), backs: this.backs.size };
  }

  /** As a new agent reads it off. */
  history(): SlotHistory {
    return (service, family) => {
      const slots: BackendAddress[] = [];
      for (let slot = 0; ; slot++) {
        const backend = this.backs.get(backText({ family, service, slot }));
        if (backend === undefined) return slots;
        slots.push(backend);
      }
    };
  }
}
