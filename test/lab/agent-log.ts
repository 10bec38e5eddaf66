import { existsSync, readFileSync } from 'node:fs';
import type { Lab } from '../../agent/lab/lab.js';

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

/** Follows the log of a node's agent from here on. */
export function followLog(lab: Lab, node: number): { lines(): LogLine[] } {
  const { log } = lab.node(node).agent;
  // An agent that was never started has none.
  const text = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '');
  const from = text().length;
  // A last line may be half written, and what the process says outside its log is no JSON.
  const parsed = (line: string): LogLine[] => {
    try {
      return [JSON.parse(line) as LogLine];
    } catch {
      return [];
    }
  };
  return { lines: () => text().slice(from).split('\n').flatMap(parsed) };
}

/** Rows that the agent says it has mended. */
export const mendedRows = (lines: readonly LogLine[]): string[] => lines.flatMap((line) => (Array.isArray(line['mended']) ? (line['mended'] as string[]) : []));
