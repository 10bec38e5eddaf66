/** Where two versions of a list differ: all that lies between their common beginning and their common end. */
export interface ChangedSpan<T> {
  readonly gone: readonly T[];
  readonly come: readonly T[];
}

/** Items are compared by identity. What comes, goes or is replaced at one place is told alone; what moved is in both parts. */
export function changedSpan<T>(before: readonly T[], now: readonly T[]): ChangedSpan<T> {
  if (before === now) return NONE;
  const shorter = Math.min(before.length, now.length);
  let start = 0;
  while (start < shorter && before[start] === now[start]) start++;
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === now[now.length - 1 - end]) end++;
  return { gone: before.slice(start, before.length - end), come: now.slice(start, now.length - end) };
}

const NONE = { gone: [], come: [] };
