/**
 * How many rows were written to the kernel, by table name (successes only;
 * removals count). That a restart with nothing changed writes nothing is read here.
 */
export class WriteCounter {
  private readonly counts = new Map<string, number>();

  add(table: string, rows: number): void {
    if (rows > 0) this.counts.set(table, (this.counts.get(table) ?? 0) + rows);
  }

  /** Since the process started. */
  byTable(): ReadonlyMap<string, number> {
    return this.counts;
  }

  total(): number {
    let sum = 0;
    for (const count of this.counts.values()) sum += count;
    return sum;
  }
}
