/**
 * The policy epoch in the kernel (canal_config.epoch): conntrack entries of
 * another epoch are judged again. It is odd while policy is being changed and
 * even when it stands: an agent killed half way leaves an odd one, and its
 * successor settles it, so that no flow keeps a verdict from before the change
 * because nobody lived to say that there was one. 32 bits, wraps.
 */
export interface EpochGate {
  read(): number;
  /** @throws CanalError('KERNEL') */
  write(epoch: number): void;
}

/** 0 is no epoch: it says that nobody has configured the programs yet. */
const wrap = (n: number): number => (n >>> 0 === 0 ? 2 : n >>> 0);

export const isOpen = (epoch: number): boolean => (epoch & 1) === 1;

/** The epoch of a change in progress. */
export const opened = (epoch: number): number => (isOpen(epoch) ? wrap(epoch + 2) : wrap(epoch + 1));

/** The epoch after it. */
export const settled = (epoch: number): number => (isOpen(epoch) ? wrap(epoch + 1) : wrap(epoch + 2));
