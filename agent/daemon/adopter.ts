import type { Clock } from '../base/clock.js';
import type { Problem } from '../base/errors.js';
import type { Logger } from '../base/log.js';
import type { Adoption } from '../cni/adopt.js';
import type { Pod } from '../model/objects.js';
import type { Snapshot } from '../model/snapshot.js';
import type { AppliedView } from './apply-loop.js';

/** Between two attempts at devices that stay strangers: what would name them may come later. */
const FIRST_GAP_MS = 1000;
const LAST_GAP_MS = 30_000;

export interface AdopterOptions {
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whether an attachment stands for a device: then it is not for adoption, but being made or taken down. */
  readonly isRecorded: (hostDevice: string, ifindex: number) => boolean;
  /** Pods came under policy: applies at once. */
  readonly onAdopted: () => void;
}

/**
 * Takes over pods that another plugin attached. The first attempt comes before the first apply, so
 * that their rows are there when their devices get programs; further ones while devices
 * without an endpoint are left.
 */
export class Adopter {
  #adopt: ((pods: readonly Pod[]) => Promise<Adoption>) | undefined;
  #refused: readonly Problem[] = [];
  #snapshot: Snapshot | undefined;
  /** Where snapshots go; set until the first attempt is over. */
  #held: ((snapshot: Snapshot) => void) | undefined;
  #opened = false;
  #working: Promise<void> | undefined;
  #again = false;
  readonly #stop = new AbortController();

  constructor(private readonly options: AdopterOptions) {}

  /** Devices that are nobody's, and why. */
  get refused(): readonly Problem[] {
    return this.#refused;
  }

  /** Snapshots on their way to the apply loop; until the first attempt is over they wait. */
  pass(snapshot: Snapshot, update: (snapshot: Snapshot) => void): void {
    this.#snapshot = snapshot;
    if (this.#opened) return update(snapshot);
    this.#held = update;
    if (this.#adopt !== undefined) this.#begin();
  }

  /** CNI is there: what waits for the first attempt gets it. */
  start(adopt: (pods: readonly Pod[]) => Promise<Adoption>): void {
    this.#adopt = adopt;
    if (this.#held !== undefined) this.#begin();
  }

  /** After each apply: tries again where strangers are left. */
  look({ facts }: AppliedView): void {
    const left = facts.strangers.some(({ hostDevice, ifindex }) => !this.options.isRecorded(hostDevice, ifindex));
    if (left) this.#begin();
    else this.#refused = [];
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#working;
  }

  #begin(): void {
    this.#again = true;
    this.#working ??= this.#work().finally(() => (this.#working = undefined));
  }

  /** Attempts until no further one is asked for; less and less often while nothing comes of it. */
  async #work(): Promise<void> {
    for (let gapMs = FIRST_GAP_MS; this.#again && !this.#stop.signal.aborted; gapMs = Math.min(gapMs * 2, LAST_GAP_MS)) {
      this.#again = false;
      if (await this.#attempt(this.#snapshot!)) gapMs = FIRST_GAP_MS;
      this.#open();
      await this.options.clock.sleep(gapMs, this.#stop.signal);
    }
  }

  #open(): void {
    this.#opened = true;
    this.#held?.(this.#snapshot!);
    this.#held = undefined;
  }

  /** False: nothing has changed by it. */
  async #attempt({ pods }: Snapshot): Promise<boolean> {
    const { nodeName, log, onAdopted } = this.options;
    try {
      const { adopted, refused } = await this.#adopt!([...pods.values()].filter((pod) => pod.nodeName === nodeName));
      const news = JSON.stringify(refused) !== JSON.stringify(this.#refused);
      this.#refused = refused;
      if (news && refused.length > 0) log.warn({ refused }, "pod devices that are nobody's: what comes and goes through them is dropped");
      if (adopted.length > 0) onAdopted();
      return news || adopted.length > 0;
    } catch (error) {
      log.error({ err: error }, 'pods that another plugin attached could not be looked for; will retry');
      this.#again = true;
      return false;
    }
  }
}
