import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

interface Result {
  readonly rows: readonly { readonly scenario: string; readonly metric: string; readonly value: number; readonly cpu?: number; readonly bytes?: number; readonly perSecond?: number }[];
}

describe('canal bench api', () => {
  it('tells what following an API server costs: bytes of each kind of event, as they come over the wire', { timeout: 180_000 }, async () => {
    const canal = join(import.meta.dirname, '..', '..', 'build', 'agent', 'cli', 'main.js');
    const { stdout } = await promisify(execFile)(process.execPath, [canal, 'bench', '--json', '-', 'api', '--scenarios', 'nodes-20', '--changes', '3', '--seconds', '1'], { maxBuffer: 1 << 24 });
    const { rows } = JSON.parse(stdout) as Result;
    const row = (metric: string) => rows.find((each) => each.metric === metric)!;
    expect(rows.map(({ metric }) => metric)).toEqual(['start', 'rest', 'node-heartbeat', 'node-move', 'node-add', 'node-gone', 'pod-status', 'pod-label', 'heartbeats', 'node-memory', 'pod-events', 'server-resident', 'resident']);
    // A list of 20 nodes and 200 pods, each as long as its event.
    expect(row('start').bytes!).toBeGreaterThan(20 * row('node-heartbeat').bytes!);
    for (const metric of ['node-heartbeat', 'node-move', 'node-add', 'node-gone']) expect(row(metric).bytes!, metric).toBeGreaterThan(10_000); // a Node with the images that kubelet reports
    for (const metric of ['pod-status', 'pod-label']) expect(row(metric).bytes!, metric).toBeGreaterThan(2_000);
    expect(row('pod-events').perSecond!).toBeGreaterThan(0);
  });
});
