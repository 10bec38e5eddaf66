import type { Clock } from '../../base/clock.js';
import type { Problem } from '../../base/errors.js';
import type { RecentEvents } from '../../flows/recent-events.js';
import type { AgentSettings } from '../../model/settings.js';
import type { ConditionView } from '../../observe/views.js';
import type { AppliedView, ApplyLoop } from '../apply-loop.js';
import type { LinuxKernel } from '../kernel.js';
import { CanalError } from '../../base/errors.js';

/** What the admin pages read. */
export interface AdminSources {
  readonly settings: AgentSettings;
  readonly kernel: LinuxKernel;
  readonly loop: ApplyLoop;
  readonly events: RecentEvents;
  /** Moves what the ring holds now to `events`, so that an answer never lags behind the programs. @throws what the ring throws */
  readonly drainEvents: () => void;
  readonly conditions: () => readonly ConditionView[];
  readonly state: () => 'booting' | 'ready' | 'closing';
  readonly clock: Clock;
  readonly startedMs: number;
  /** Pod devices that are nobody's, and why. */
  readonly strangers: () => readonly Problem[];
}

/** What the last apply saw. @throws CanalError('CONFIG') before the first */
export function applied({ loop }: AdminSources): AppliedView {
  if (loop.view === undefined) throw new CanalError('CONFIG', 'the agent has applied nothing yet: it waits for the API server');
  return loop.view;
}

/** An identifier as bpftool and views write it: 16 hex digits. */
export const hex = (id: bigint): string => id.toString(16).padStart(16, '0');
export const table = (id: bigint): string | null => (id === 0n ? null : hex(id));
