import { SCTP, TCP, UDP } from '../../model/objects.js';

/** 1 to 65535, or undefined. */
export function portNumber(raw: unknown): number | undefined {
  return typeof raw === 'number' && Number.isInteger(raw) && raw >= 1 && raw <= 65_535 ? raw : undefined;
}

const PROTOCOLS: ReadonlyMap<unknown, number> = new Map([['TCP', TCP], ['UDP', UDP], ['SCTP', SCTP]]);

/** Of `TCP`, `UDP`, `SCTP`; not said means TCP; undefined for anything else. */
export function protocolNumber(raw: unknown): number | undefined {
  return PROTOCOLS.get(raw ?? 'TCP');
}
