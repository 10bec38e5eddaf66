import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { DropsView, EventView } from '../../observe/views.js';
import { ask } from '../admin-client.js';
import { inspection, show, type InspectionOptions } from '../inspection.js';
import { bytes, textTable } from '../text-table.js';

/** How often `--follow` asks. */
const FOLLOW_MS = 200;

interface DropsOptions extends InspectionOptions {
  readonly follow?: boolean;
}

export function register(program: Command): void {
  inspection(program.command('drops').description('dropped packets by reason, and the latest events').option('-f, --follow', 'print events as they happen')).action(
    async (options: DropsOptions) => {
      if (options.follow === true) await follow(options);
      else await show<DropsView>(options, '/v1/drops', dropsText);
    },
  );
}

async function follow(options: DropsOptions): Promise<never> {
  const { events } = await ask<DropsView>(options.socket, '/v1/drops');
  let after = events.at(-1)?.sequence ?? 0;
  for (;;) {
    const view = await ask<DropsView>(options.socket, '/v1/drops', { after: String(after) });
    for (const event of view.events) {
      process.stdout.write(options.json === true ? `${JSON.stringify(event)}\n` : `${eventText(event)}\n`);
      after = event.sequence;
    }
    await sleep(FOLLOW_MS);
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
