import type { Command } from 'commander';
import { systemClock, type Clock } from '../../base/clock.js';
import type { DropsView, EventView } from '../../observe/views.js';
import { ask } from '../admin-client.js';
import { inspection, show, type InspectionOptions } from '../inspection.js';
import { bytes, textTable } from '../text-table.js';

/** How often `--follow` asks; each answer has all that the programs told until then. */
const FOLLOW_MS = 100;

interface DropsOptions extends InspectionOptions {
  readonly follow?: boolean;
}

export function register(program: Command): void {
  inspection(program.command('drops').description('dropped packets by reason, and the latest events').option('-f, --follow', 'print events as they happen')).action(
    async (options: DropsOptions) => {
      if (options.follow === true) await follow((query) => ask<DropsView>(options.socket, '/v1/drops', query), (event) => process.stdout.write(options.json === true ? `${JSON.stringify(event)}\n` : `${eventText(event)}\n`), systemClock);
      else await show<DropsView>(options, '/v1/drops', dropsText);
    },
  );
}

/** Shows each event from now on, until aborted. Rejects with what `drops` rejects with. */
export async function follow(drops: (query?: Record<string, string>) => Promise<DropsView>, show: (event: EventView) => void, clock: Clock, signal?: AbortSignal): Promise<void> {
  let after = (await drops()).events.at(-1)?.sequence ?? 0;
  while (signal?.aborted !== true) {
    for (const event of (await drops({ after: String(after) })).events) {
      show(event);
      after = event.sequence;
    }
    await clock.sleep(FOLLOW_MS, signal);
  }
}

function dropsText(view: DropsView): string {
  const reasons = textTable(['REASON', 'PACKETS', 'BYTES'], view.reasons.map((r) => [r.reason, r.packets, bytes(r.bytes)]), 'no packet dropped');
  const full = view.full.filter((f) => f.count > 0).map((f) => `map ${f.what} was full ${f.count} times\n`).join('');
  const lost = view.lost === 0 ? '' : `${view.lost} events lost\n`;
  const events = view.events.length === 0 ? '' : `\n${view.events.map((e) => `${eventText(e)}\n`).join('')}`;
  return `${reasons}${full}${lost}${events}`;
}

function eventText(e: EventView): string {
  const end = (address: string, port: number, pod: string): string => `${address}${port === 0 ? '' : `:${port}`}${pod === '' ? '' : ` (${pod})`}`;
  const by = e.rule === '' ? '' : ` by ${e.rule}`;
  const why = e.reason === 'none' ? e.kind : `${e.kind} ${e.reason}`;
  return `${e.time} ${why} ${e.direction} ${e.protocol} ${end(e.source, e.sourcePort, e.sourcePod)} -> ${end(e.destination, e.destinationPort, e.destinationPod)}${by}`;
}
