import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

interface Result {
  readonly rows: readonly { readonly scenario: string; readonly metric: string; readonly value: number; readonly cpu?: number }[];
}

describe('canal bench scale', () => {
  it('tells of a small node what it takes, and that a restart with nothing changed writes nothing', { timeout: 240_000 }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'canal-scale-'));
    try {
      const file = join(directory, 'scale.json');
      const args = ['build/agent/cli/main.js', 'bench', '--json', file, '--charts', directory, 'scale', '--scenarios', 'small,growth-tiny', '--changes', '5', '--seconds', '1'];
      const { stdout: table } = await promisify(execFile)(process.execPath, args);
      const { rows } = JSON.parse(readFileSync(file, 'utf8')) as Result;
      const metrics = ['start', 'maps', 'remote-label', 'local-label', 'policy', 'endpoint-slice', 'node', 'pod-add', 'events-cpu', 'idle-cpu', 'restart', 'restart-writes'];
      for (const metric of metrics) {
        expect(rows.map((row) => row.metric)).toContain(metric);
        expect(table).toContain(metric);
      }
      expect(rows.find((row) => row.metric === 'restart-writes')!.value).toBe(0);
      expect(rows.find((row) => row.metric === 'maps')!.value, 'MB of a small node').toBeLessThanOrEqual(32);
      const chart = readFileSync(join(directory, 'scale-growth-tiny.svg'), 'utf8');
      for (const name of ['>200<', '>400<', 'remote-label', 'resident', 'start-cpu', 'a pod, its share']) expect(chart).toContain(name);
      expect(chart).not.toMatch(/NaN|undefined|http(?!:\/\/www\.w3\.org)/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
