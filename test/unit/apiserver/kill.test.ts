import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const runner = join(dirname(createRequire(import.meta.url).resolve('vite-node/package.json')), 'vite-node.mjs');
const script = fileURLToPath(new URL('serve.ts', import.meta.url));

let directory: string;
let child: ChildProcess | undefined;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'canal-kill-'))));
afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

async function serve(): Promise<string> {
  child = spawn(process.execPath, [runner, script, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  return line.toString().trim();
}

async function names(url: string): Promise<Map<string, string>> {
  const list = (await (await fetch(`${url}/api/v1/namespaces/default/configmaps`)).json()) as { items: { metadata: { name: string; resourceVersion: string } }[] };
  return new Map(list.items.map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
}

describe('kill -9', () => {
  it('loses nothing that was answered, and revisions go on from where they were', async () => {
    const url = await serve();
    const acknowledged = new Map<string, string>();
    let stopped = false;
    const writer = async (id: number): Promise<void> => {
      for (let i = 0; !stopped; i++) {
        const name = `c${id}-${i}`;
        try {
          const response = await fetch(`${url}/api/v1/namespaces/default/configmaps`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: 'x'.repeat(5000) } }) });
          const made = (await response.json()) as { metadata: { resourceVersion: string } };
          if (response.status === 201) acknowledged.set(name, made.metadata.resourceVersion);
        } catch {
          return; // killed in mid-request: not acknowledged
        }
      }
    };
    const writers = [0, 1, 2, 3].map(writer);
    await expect.poll(() => acknowledged.size, { timeout: 20_000 }).toBeGreaterThan(200);
    child?.kill('SIGKILL');
    stopped = true;
    await Promise.all(writers);
    const again = await serve();
    const stored = await names(again);
    for (const [name, version] of acknowledged) expect(stored.get(name)).toBe(version);
    const next = await fetch(`${again}/api/v1/namespaces/default/configmaps`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'next' } }) });
    const { metadata } = (await next.json()) as { metadata: { resourceVersion: string } };
    expect(Number(metadata.resourceVersion)).toBeGreaterThan(Math.max(...[...stored.values()].map(Number)));
  }, 60_000);
});
