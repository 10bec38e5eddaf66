import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { CniFigure } from '../../agent/bench/scale/cni.js';

describe('canal bench cni', () => {
  it('attaches and detaches pods by canal and by the reference plugins, one by one and at once', { timeout: 240_000 }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'canal-cni-'));
    try {
      const file = join(directory, 'cni.json');
      const { stdout: table } = await promisify(execFile)(process.execPath, ['build/agent/cli/main.js', 'bench', '--json', file, 'cni', '--pods', '2', '--together', '3']);
      const { rows } = JSON.parse(readFileSync(file, 'utf8')) as { readonly rows: readonly CniFigure[] };
      for (const contender of ['nothing', 'canal', 'ptp', 'bridge']) {
        expect(rows.filter((row) => row.contender === contender).map(({ verb }) => verb)).toEqual(contender === 'canal' ? ['ADD', 'later', 'DEL', 'together'] : ['ADD', 'DEL', 'together']);
        expect(table).toContain(contender);
      }
      const cpu = (contender: string): number => rows.find((row) => row.contender === contender && row.verb === 'ADD')!.cpu;
      expect(cpu('canal')).toBeGreaterThan(cpu('nothing'));
      expect(cpu('ptp')).toBeGreaterThan(cpu('nothing'));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
