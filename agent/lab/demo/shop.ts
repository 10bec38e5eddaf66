import { join } from 'node:path';
import { packageRoot } from '../machine/layout.js';
import type { Cell } from '../matrix.js';
import type { ProbeProtocol } from '../probe.js';

/** The demo's manifests. */
export const MANIFESTS = { shop: join('deploy', 'demo', 'shop.yaml'), policies: join('deploy', 'demo', 'policies.yaml') } as const;
export const manifest = (file: string): string => join(packageRoot(), file);

/** Who may reach whom once the policies are in force, and nobody else: read off policies.yaml by hand. */
const ALLOWED: Readonly<Record<ProbeProtocol, readonly string[]>> = {
  TCP: ['shop/frontend shop/api', 'shop/api data/database', 'shop/api payments/payments', 'outside/attacker shop/frontend'],
  UDP: ['shop/frontend shop/api'],
};

/** Without policies everybody reaches everybody. */
export function expected(cell: Pick<Cell, 'from' | 'to' | 'protocol'>, policies: boolean): boolean {
  return !policies || ALLOWED[cell.protocol].includes(`${cell.from} ${cell.to}`);
}
