import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { given } from '../cluster.js';

interface AuditEvent {
  readonly user: { readonly username: string };
  readonly verb: string;
  readonly objectRef?: { readonly apiGroup?: string; readonly resource: string; readonly subresource?: string };
  readonly annotations?: Readonly<Record<string, string>>;
  readonly responseStatus?: { readonly code: number };
}

const AGENT = 'system:serviceaccount:kube-system:canal';

/** What the API server's audit log saw the agents ask. */
export function permissions(): void {
  it.runIf(given.auditLog !== '')('are all used, and nothing else is asked for', () => {
    const events = readFileSync(given.auditLog, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as AuditEvent).filter((event) => event.user.username === AGENT);
    // A server that has just started forbids what it has not read the roles of yet.
    const early = (event: AuditEvent): boolean => /clusterrole\S* \S+ not found/.test(event.annotations?.['authorization.k8s.io/reason'] ?? '');
    expect(events.filter((event) => event.responseStatus?.code === 403 && !early(event))).toEqual([]);
    const asked = new Set(events.map(({ verb, objectRef }) => `${verb} ${(objectRef?.apiGroup ?? '') || 'core'} ${objectRef?.resource ?? ''}${objectRef?.subresource === undefined ? '' : `/${objectRef.subresource}`}`));
    const recorded = readFileSync('test/kubernetes/requests.txt', 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect([...asked].sort()).toEqual(recorded.sort());
  });
}
