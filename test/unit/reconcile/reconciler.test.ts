import { describe, expect, it } from 'vitest';
import { totalWrites } from '../../../agent/reconcile/outcome.js';
import { World, type State } from './world.js';

const FIRST: State = {
  attachment: { 'cali1/ingress': [] },
  link: { 'flannel.1': [] },
  neighbour: { '5/10.0.1.0': [] },
  route: { '10.0.1.0/24': ['neighbour:5/10.0.1.0'] },
  canal_rule: { 'R1/tcp': [] },
  canal_table: { 'T1/0': ['rows:R1'], 'T1/C1': ['rows:R1'] },
  canal_peer: { '10.0.0.2': ['class:C1'] },
  canal_endpoint: { '7': ['table:T1'] },
};
const SECOND: State = {
  ...FIRST,
  canal_rule: { 'R2/tcp': [] },
  canal_table: { 'T2/0': ['rows:R2'], 'T2/C2': ['rows:R2'] },
  canal_peer: { '10.0.0.2': ['class:C2'] },
  canal_endpoint: { '7': ['table:T2'] },
};

describe('order', () => {
  it('attaches first, writes rows next, pointers last, and settles the epoch after them', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    const acts = ['+attachment cali1/ingress', '+canal_rule R1/tcp', 'epoch open', '+canal_table T1/0', '+canal_peer 10.0.0.2', '+canal_endpoint 7', 'epoch settled'];
    expect(acts.map((a) => world.at(a))).toEqual([...acts.map((a) => world.at(a))].sort((a, b) => a - b));
    expect(world.at('+neighbour 5/10.0.1.0')).toBeLessThan(world.at('+route 10.0.1.0/24'));
    expect(world.state).toEqual(FIRST);
  });

  it('guards a new device at once, and swaps an older program of ours only when the rows for the new one are there', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    world.journal.length = 0;
    world.want({ ...SECOND, attachment: { 'cali1/ingress': ['another program'], 'cali2/ingress': [] } });
    world.reconciler.apply({ prune: false });
    expect(world.journal).not.toContain('+attachment cali1/ingress'); // a state that is passed through
    world.reconciler.apply();
    expect(world.at('+attachment cali2/ingress')).toBeLessThan(world.at('+canal_rule R2/tcp'));
    expect(world.at('+canal_endpoint 7')).toBeLessThan(world.at('+attachment cali1/ingress'));
  });

  it('writes the new tables beside the old and prunes the old ones only when nothing points at them', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    world.journal.length = 0;
    world.want(SECOND);
    world.reconciler.apply();
    expect(world.at('+canal_table T2/0')).toBeLessThan(world.at('+canal_endpoint 7'));
    expect(world.at('+canal_endpoint 7')).toBeLessThan(world.at('epoch settled'));
    expect(world.at('epoch settled')).toBeLessThan(world.at('-canal_table T1/0'));
    expect(world.at('-canal_table T1/C1')).toBeLessThan(world.at('-canal_rule R1/tcp'));
    expect(world.state).toEqual(SECOND);
  });

  it('passes through a state without removing anything, and prunes at the end of the way', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    world.journal.length = 0;
    world.want({ ...SECOND, canal_table: { ...SECOND['canal_table'], 'T1/C2': ['rows:R1'] } });
    world.reconciler.apply({ prune: false });
    expect(world.state['canal_table']).toMatchObject({ ...FIRST['canal_table'], ...SECOND['canal_table'] });
    world.want(SECOND);
    world.reconciler.apply();
    expect(world.at('+canal_table T1/C2')).toBeLessThan(world.at('+canal_peer 10.0.0.2'));
    expect(world.at('+canal_endpoint 7')).toBeLessThan(world.at('-canal_table T1/C2'));
    expect(world.state).toEqual(SECOND);
  });

  it('takes everything away in reverse', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    world.journal.length = 0;
    world.want({});
    world.reconciler.apply();
    const acts = ['-canal_endpoint 7', '-canal_peer 10.0.0.2', '-canal_table T1/0', '-canal_rule R1/tcp', '-route 10.0.1.0/24', '-neighbour 5/10.0.1.0', '-link flannel.1', '-attachment cali1/ingress'];
    expect(acts.map((a) => world.at(a))).toEqual([...acts.map((a) => world.at(a))].sort((a, b) => a - b));
    expect(world.state).toEqual({});
  });
});

describe('restart', () => {
  it('makes no write when nothing changed', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    world.journal.length = 0;
    world.restart();
    world.want(FIRST);
    expect(totalWrites(world.reconciler.apply())).toBe(0);
    expect(world.journal).toEqual([]);
  });

  it('settles the epoch that an agent killed half way left open, once', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    world.epochValue += 1;
    world.restart();
    world.want(FIRST);
    expect(world.reconciler.apply().writes).toEqual(new Map([['canal_config', 1]]));
    expect(totalWrites(world.reconciler.apply())).toBe(0);
  });

  it('asks whether entries and addresses change a verdict only where no pod comes or goes, which opens the epoch anyway', () => {
    const world = new World();
    world.judging = ['canal_table', 'canal_peer'];
    world.restart();
    world.want(FIRST);
    world.reconciler.apply();
    expect(world.asked).toEqual([]);
    expect(world.at('epoch open')).toBeLessThan(world.at('+canal_table T1/0'));
    world.journal.length = 0;
    const entry = { 'T1/0': ['rows:R1'], 'T1/C1': ['rows:R1'], 'T1/C2': ['rows:R1'] };
    world.want({ ...FIRST, canal_table: entry });
    world.reconciler.apply();
    expect(world.asked).toEqual(['canal_table']);
    expect(world.journal).toEqual(['+canal_table T1/C2']);
  });

  it('asks as long as the write of a pod rests that has failed', () => {
    const world = new World();
    world.judging = ['canal_table'];
    world.restart();
    world.tables.get('canal_endpoint')!.capacity = 0;
    world.want(FIRST);
    world.reconciler.apply();
    world.want({ ...FIRST, canal_table: { ...FIRST['canal_table'], 'T1/C2': ['rows:R1'] } });
    world.reconciler.apply();
    expect(world.asked).toEqual(['canal_table']);
  });

  it('writes a first epoch even where there is no policy to write', () => {
    const world = new World();
    world.epochValue = 0;
    world.want({});
    world.reconciler.apply();
    expect(world.epochValue).toBe(2);
  });

  it('removes what was left by the predecessor and is not wanted', () => {
    const world = new World();
    world.tables.get('route')!.upsert([{ key: '10.9.0.0/24', row: [] }]);
    world.restart();
    world.want(FIRST);
    const outcome = world.reconciler.apply();
    expect(world.state).toEqual(FIRST);
    expect(outcome.mended).toEqual([]);
  });
});

describe('faults', () => {
  it('keeps a failed row dirty, goes on with unrelated rows, shows it, and heals', () => {
    const world = new World();
    world.tables.get('neighbour')!.faults.set('5/10.0.1.0', 19);
    world.want(FIRST);
    const bad = world.reconciler.apply();
    expect(bad.troubles).toEqual([{ table: 'neighbour', key: '5/10.0.1.0', message: 'neighbour: errno 19', full: false, gone: true }]);
    expect(bad.blocked).toBe(1); // the route over it
    expect(world.state).toEqual({ ...FIRST, neighbour: undefined, route: undefined });
    world.tables.get('neighbour')!.faults.clear();
    world.nowMs = bad.retryAtMs!;
    const good = world.reconciler.apply();
    expect(good).toMatchObject({ troubles: [], blocked: 0, mended: [], retryAtMs: undefined });
    expect(world.state).toEqual(FIRST);
  });

  it('forgets that a row could not be removed once it is wanted as it is, so that a state on the way is no trouble for the next', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    world.tables.get('canal_peer')!.faults.set('10.0.0.2', 7);
    world.want({ ...FIRST, canal_peer: {} });
    expect(world.reconciler.apply().troubles).toHaveLength(1);
    world.want(FIRST);
    expect(world.reconciler.apply()).toMatchObject({ troubles: [], retryAtMs: undefined });
    world.tables.get('canal_peer')!.faults.clear();
    world.want({ ...FIRST, canal_peer: {} });
    expect(world.reconciler.apply().troubles).toEqual([]);
    expect(world.tables.get('canal_peer')!.rows.size).toBe(0);
  });

  it('waits longer after each failure, and not at all when something else is wanted', () => {
    const world = new World();
    const table = world.tables.get('canal_endpoint')!;
    table.faults.set('7', 12);
    world.want(FIRST);
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      const { retryAtMs } = world.reconciler.apply();
      waits.push(retryAtMs! - world.nowMs);
      world.nowMs = retryAtMs!;
    }
    expect(waits).toEqual([100, 200, 400, 800]);
    world.nowMs -= 1;
    table.faults.clear();
    world.reconciler.apply();
    expect(world.state['canal_endpoint']).toBeUndefined();
    world.want(SECOND);
    world.reconciler.apply();
    expect(world.state['canal_endpoint']).toEqual(SECOND['canal_endpoint']);
  });

  it('never points an endpoint at a table that could not be written whole, and keeps the old one alive for it', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    world.tables.get('canal_rule')!.faults.set('R2/tcp', 28);
    world.want(SECOND);
    const outcome = world.reconciler.apply();
    expect(outcome.troubles.map((t) => [t.table, t.key, t.full])).toEqual([['canal_rule', 'R2/tcp', true]]);
    expect(world.state).toEqual(FIRST);
    world.tables.get('canal_rule')!.faults.clear();
    world.nowMs = outcome.retryAtMs!;
    world.reconciler.apply();
    expect(world.state).toEqual(SECOND);
  });

  it('leaves a full map full: what is in force stays, the rest waits', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    world.tables.get('canal_table')!.capacity = 3;
    world.want(SECOND);
    const outcome = world.reconciler.apply();
    expect(outcome.troubles.some((t) => t.full)).toBe(true);
    expect(world.state['canal_endpoint']).toEqual(FIRST['canal_endpoint']);
    expect(world.state['canal_table']).toMatchObject(FIRST['canal_table']!);
  });

  it('does without a table that cannot be listed, and holds back only what leans on it', () => {
    const world = new World();
    world.tables.get('neighbour')!.listFault = 5;
    world.want(FIRST);
    const outcome = world.reconciler.apply();
    expect(outcome.troubles).toMatchObject([{ table: 'neighbour', key: '' }]);
    expect(world.state).toEqual({ ...FIRST, neighbour: undefined, route: undefined });
  });

  it('changes no policy while the epoch cannot be opened', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    world.epochFault = true;
    world.want(SECOND);
    expect(world.reconciler.apply().troubles.map((t) => t.table)).toContain('canal_config');
    expect(world.state['canal_endpoint']).toEqual(FIRST['canal_endpoint']);
    world.epochFault = false;
    world.reconciler.apply();
    expect(world.state).toEqual(SECOND);
  });
});

describe('mending', () => {
  it('puts back what somebody took away or changed, and says which rows', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    world.tables.get('route')!.rows.clear();
    world.tables.get('neighbour')!.rows.set('5/10.0.9.0', { key: '5/10.0.9.0', row: [] });
    expect(totalWrites(world.reconciler.apply())).toBe(0); // nobody told it to look
    world.reconciler.invalidate(['route', 'neighbour']);
    expect(world.reconciler.apply().mended).toEqual(['route 10.0.1.0/24', 'neighbour 5/10.0.9.0']);
    expect(world.state).toEqual(FIRST);
  });

  it('asks the kernel only when told to', () => {
    const world = new World();
    world.want(FIRST);
    world.reconciler.apply();
    world.reconciler.apply();
    world.reconciler.invalidate(['route']);
    world.reconciler.apply();
    expect([world.tables.get('route')!.lists, world.tables.get('canal_peer')!.lists]).toEqual([2, 1]);
  });
});
