import { describe, expect, it } from 'vitest';
import { jobs } from '../../../agent/lab/controllers/jobs.js';
import type { Job, Pod } from '../../../agent/lab/world/objects.js';
import { meta, NOW, ownedBy, pod, statusIn, summary, template, world } from './world.js';

const START = '2025-12-31T23:59:00Z'; // a minute ago
const job = (spec: Partial<Job['spec']> = {}, status: Job['status'] = { startTime: START }): Job => ({ metadata: meta('once'), spec: { completions: 1, parallelism: 1, template: template(), ...spec }, status });
const owned = (name: string, phase = 'Running', more: Parameters<typeof pod>[1] = {}): Pod => pod(name, { phase, ...more, meta: { ...ownedBy(job()), ...more.meta } });
const index = (value: number): Parameters<typeof pod>[1] => ({ meta: { annotations: { 'batch.kubernetes.io/job-completion-index': String(value) } } });
const run = (one: Job, pods: Pod[] = [], nowMs = NOW) => jobs(world({ jobs: [one], pods }), nowMs);
const conditions = (actions: ReturnType<typeof run>): unknown[] => ((statusIn(actions)?.['conditions'] ?? []) as { type: string; reason: string }[]).map(({ type, reason }) => `${type} ${reason}`);

describe('Jobs', () => {
  it('run as many pods at once as they may and still need', () => {
    expect(summary(run(job({ completions: 5, parallelism: 2 })))).toEqual(['create Pod', 'create Pod']);
    const pods = ['a', 'b', 'c', 'd'].map((name) => owned(name, 'Succeeded'));
    expect(summary(run(job({ completions: 5, parallelism: 2 }), pods))).toEqual(['create Pod']);
    expect(statusIn(run(job({ completions: 5, parallelism: 2 }), pods))).toMatchObject({ active: 0, succeeded: 4, failed: 0 });
  });

  it('are complete when enough pods have succeeded, and make no more', () => {
    const ended = run(job(), [owned('a', 'Succeeded')]);
    expect(summary(ended)).toEqual([]);
    expect(conditions(ended)).toEqual(['SuccessCriteriaMet CompletionsReached', 'Complete CompletionsReached']);
    expect(statusIn(ended)).toMatchObject({ succeeded: 1, completionTime: '2026-01-01T00:00:00Z' });
    expect(run({ ...job(), status: statusIn(ended)! }, [])).toEqual([]);
  });

  it('try again after 10 s, twice as long after each failure, and give up past the limit', () => {
    const failures = (count: number): Pod[] => Array.from({ length: count }, (_, i) => owned(`f${i}`, 'Failed')); // 10 s ago
    expect(summary(run(job(), failures(1)))).toEqual(['create Pod']);
    expect(summary(run(job(), failures(1), NOW - 1))).toEqual([]);
    expect(summary(run(job(), failures(2)))).toEqual([]);
    expect(summary(run(job(), failures(2), NOW + 10_000))).toEqual(['create Pod']);
    const over = run(job({ backoffLimit: 1 }), [...failures(2), owned('still')]);
    expect(summary(over)).toEqual(['delete Pod still']);
    expect(conditions(over)).toEqual(['FailureTarget BackoffLimitExceeded', 'Failed BackoffLimitExceeded']);
  });

  it('count restarts in place against the limit', () => {
    const restarted = (count: number): Pod => ({ ...owned('a'), status: { phase: 'Running', containerStatuses: [{ name: 'c', restartCount: count }] } });
    expect(conditions(run(job({ backoffLimit: 2 }), [restarted(1)]))).toEqual([]);
    expect(conditions(run(job({ backoffLimit: 2 }), [restarted(2)]))).toContain('Failed BackoffLimitExceeded');
    expect(conditions(run(job({ backoffLimit: 0 }), [restarted(0)]))).toEqual([]);
  });

  it('end at their deadline, with their pods', () => {
    expect(summary(run(job({ activeDeadlineSeconds: 61 }), [owned('a')]))).toEqual([]);
    const late = run(job({ activeDeadlineSeconds: 60 }), [owned('a')]);
    expect(summary(late)).toEqual(['delete Pod a']);
    expect(conditions(late)).toContain('Failed DeadlineExceeded');
  });

  it('without a number of completions are over when one pod has succeeded and none runs', () => {
    const queue = job({ parallelism: 2 });
    delete (queue.spec as { completions?: number }).completions;
    expect(summary(run(queue))).toEqual(['create Pod', 'create Pod']);
    expect(run(queue, [owned('a', 'Succeeded'), owned('b')]).filter(({ verb }) => verb === 'create')).toEqual([]);
    expect(conditions(run(queue, [owned('a', 'Succeeded'), owned('b')]))).toEqual([]);
    expect(conditions(run(queue, [owned('a', 'Succeeded')]))).toContain('Complete CompletionsReached');
  });

  it('give each index one success, and each pod its index', () => {
    const indexed = job({ completions: 4, parallelism: 4, completionMode: 'Indexed' });
    const actions = run(indexed, [owned('a', 'Succeeded', index(0)), owned('b', 'Failed', index(1)), owned('c', 'Running', index(2))]);
    const made = actions.flatMap((action) => (action.verb === 'create' ? [action.object as Pod] : []));
    expect(made.map(({ metadata }) => metadata.generateName)).toEqual(['once-1-', 'once-3-']);
    expect(made[0]!.spec).toMatchObject({ hostname: 'once-1', containers: [{ env: [{ name: 'JOB_COMPLETION_INDEX', value: '1' }] }] });
    const done = [0, 1, 3].map((i) => owned(`s${i}`, 'Succeeded', index(i)));
    expect(statusIn(run(indexed, done))).toMatchObject({ completedIndexes: '0-1,3' });
  });

  it('run nothing while suspended', () => {
    expect(summary(run(job({ suspend: true }, {})))).toEqual([]);
    expect(summary(run(job({ suspend: true }), [owned('a')]))).toEqual(['delete Pod a']);
  });

  it('go a given time after their end', () => {
    const ended = (ttl: number): Job => ({ ...job({ ttlSecondsAfterFinished: ttl }), status: { conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: START }] } });
    expect(summary(run(ended(61)))).toEqual([]);
    expect(summary(run(ended(60)))).toEqual(['delete Job once']);
  });
});
