import { readFileSync } from 'node:fs';

/** The version in package.json, which stands above `agent/` in the sources and above `build/agent/` when built. */
export const VERSION: string = readVersion(['../../package.json', '../../../package.json']);

function readVersion(candidates: readonly string[]): string {
  for (const candidate of candidates) {
    try {
      const found = JSON.parse(readFileSync(new URL(candidate, import.meta.url), 'utf8')) as { name?: string; version?: string };
      if (found.name === 'canal' && found.version !== undefined) return found.version;
    } catch {
      continue; // the next place
    }
  }
  return 'unknown';
}
