import { createHash } from 'node:crypto';

/**
 * 64-bit content hash (first 8 bytes of SHA-256, little endian; never 0): the
 * identifier of a class, table, rows or rule. Equal content has one id on every
 * node and every run, so a restart with nothing changed writes nothing.
 */
export function contentId(content: string): bigint {
  const id = createHash('sha256').update(content).digest().readBigUInt64LE(0);
  return id === 0n ? 1n : id;
}
