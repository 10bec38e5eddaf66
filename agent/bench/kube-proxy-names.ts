import { createHash } from 'node:crypto';

/** What kube-proxy puts into names of chains: RFC 4648 base32 of SHA-256, shortened. */
export function nameHash(text: string, length: number): string {
  let bits = '';
  for (const byte of createHash('sha256').update(text).digest().subarray(0, Math.ceil((length * 5) / 8))) bits += byte.toString(2).padStart(8, '0');
  return Array.from({ length }, (_, i) => ALPHABET[Number.parseInt(bits.slice(i * 5, i * 5 + 5), 2)]!).join('');
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Of the namespaces that the benchmark's services are in. */
export const CLUSTER_CIDR = '10.42.0.0/16';
