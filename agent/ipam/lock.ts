/**
 * An exclusive flock(2) on a file. Other programs take the same lock (the
 * host-local plugin does), so it has to be the kernel's; `agent/kernel/file-lock.ts` has it.
 */
export interface FileLock {
  /** Runs `work` with the lock on `path` held (the file is made if absent). Throws CanalError('IPAM') when the lock cannot be had in time. */
  hold<T>(path: string, work: () => Promise<T> | T): Promise<T>;
}
