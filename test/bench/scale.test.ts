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
      const args = ['build/agent/cli/main.js', 'bench', '--json', file, 'scale', '--scenarios', 'small', '--changes', '6', '--seconds', '1'];
      const { stdout: table } = await promisify(execFile)(process.execPath, args);
      const { rows } = JSON.parse(readFileSync(file, 'utf8')) as Result;
      const metrics = ['start', 'remote-label', 'local-label', 'policy', 'endpoint-slice', 'node', 'pod-add', 'events-cpu', 'idle-cpu', 'restart', 'restart-writes'];
      for (const metric of metrics) {
        expect(rows.map((row) => row.metric)).toContain(metric);
        expect(table).toContain(metric);
      }
      expect(rows.find((row) => row.metric === 'restart-writes')!.value).toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
