import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { given } from '../cluster.js';

interface AuditEvent {
  readonly user: { readonly username: string };
  readonly verb: string;
  readonly objectRef?: { readonly apiGroup?: string; readonly resource: string; readonly subresource?: string };
  readonly responseStatus?: { readonly code: number };
}

const AGENT = 'system:serviceaccount:kube-system:canal';

/** What the API server's audit log saw the agents ask. */
export function permissions(): void {
  it.runIf(given.auditLog !== '')('are all used, and nothing else is asked for', () => {
    const events = readFileSync(given.auditLog, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as AuditEvent).filter((event) => event.user.username === AGENT);
    const request = ({ verb, objectRef }: AuditEvent): string => `${verb} ${(objectRef?.apiGroup ?? '') || 'core'} ${objectRef?.resource ?? ''}${objectRef?.subresource === undefined ? '' : `/${objectRef.subresource}`}`;
    const forbidden = (event: AuditEvent): boolean => event.responseStatus?.code === 403;
    // A server that has just started forbids what it has not read the roles and bindings of yet: what it grants at other times.
    const granted = new Set(events.filter((event) => !forbidden(event)).map(request));
    expect(events.filter((event) => forbidden(event) && !granted.has(request(event)))).toEqual([]);
    const asked = new Set(events.map(request));
    const recorded = readFileSync('test/kubernetes/requests.txt', 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect([...asked].sort()).toEqual(recorded.sort());
  });
}
