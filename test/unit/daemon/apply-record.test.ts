import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { ApplyRecord } from '../../../agent/daemon/apply-record.js';
import type { Outcome, RowTrouble } from '../../../agent/reconcile/outcome.js';
import { ManualClock } from '../../support/manual-clock.js';

const lines: { readonly msg: string }[] = [];
let record: ApplyRecord;
beforeEach(() => {
  lines.length = 0;
  record = new ApplyRecord(pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line) as { msg: string }) }), new ManualClock());
  apply();
  lines.length = 0; // of the first apply
});

const trouble = (gone: boolean): RowTrouble => ({ table: 'attachment', key: '7 ingress', message: gone ? 'ENODEV' : 'EPERM', full: false, gone });
const outcome = (troubles: readonly RowTrouble[]): Outcome => ({ writes: new Map(), mended: [], troubles, blocked: 0, judged: false, retryAtMs: undefined });
const apply = (...troubles: RowTrouble[]): void => record.applied([outcome(troubles)], 1);
const messages = (): string[] => lines.map(({ msg }) => msg);

describe('the record of applies', () => {
  it('tells of a row that cannot be written once, and once when it can', () => {
    for (let i = 0; i < 3; i++) apply(trouble(false));
    apply();
    expect(messages()).toEqual(['rows cannot be written, will retry', 'all rows are in the kernel again']);
  });

  it('says nothing of a row whose device has just gone, unless it is wanted still', () => {
    apply(trouble(true));
    expect(record.troubles).toHaveLength(1);
    apply();
    expect(messages()).toEqual([]);
    apply(trouble(true));
    apply(trouble(true));
    expect(messages()).toEqual(['rows cannot be written, will retry']);
  });
});
