import type { IpAddress } from '../../base/address.js';
import { evaluateService } from '../../compile/services/evaluate.js';
import { backendText, frontText, type BackendAddress, type FrontKey } from '../../compile/services/rows.js';
import type { TranslationView } from '../../observe/views.js';
import { addressOwners } from './owners.js';
import { distinct, isAdmitted, lookUpFront } from './service-lookup.js';
import { frontAddress } from './services.js';
import { applied, hex, type AdminSources } from './sources.js';

export interface Asked {
  readonly client: IpAddress;
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: number;
}

/**
 * What becomes of a service's address, by the kernel's rows and by the objects
 * themselves; the first backend stands for all in what follows. Who is no pod
 * and not this node comes in over the uplink.
 */
export function translate(sources: AdminSources, asked: Asked): { readonly translation: TranslationView | null; readonly backend?: BackendAddress | undefined } {
  const view = applied(sources);
  const { ledgers, services } = sources.loop;
  const ownAddresses = view.facts.hostAddresses;
  const isOwn = (address: IpAddress): boolean => ownAddresses.some((own) => own.equals(address));
  const scope = isOwn(asked.client) ? 'node' : addressOwners(view).get(asked.client.text)?.kind === 'pod' ? 'inside' : 'outside';
  const { address, port, protocol } = asked;
  const hit = lookUpFront(ledgers, { address, port, protocol, scope }, isOwn);
  if (hit === undefined) return { translation: null };
  const { front, slots } = hit.found;
  const backends = distinct(slots);
  const denied = !isOwn(asked.client) && !isAdmitted(ledgers, front, asked.client);
  const [backend] = denied ? [] : backends;
  const outcome = denied ? 'denied' : backend !== undefined ? 'translated' : front.dropEmpty ? 'dropped' : 'refused';
  const said = evaluateService({ snapshot: view.snapshot, nodeName: sources.settings.nodeName, ownAddresses, localPods: view.facts.endpoints }, { ...asked, scope });
  const same = said.outcome === outcome && (outcome !== 'translated' || said.backends.join() === backends.map(backendText).sort().join());
  return {
    backend,
    translation: {
      service: ownerOf(services.compiler, hit.key, front.service), frontend: frontAddress(hit.key), from: hit.key.scope, backends: backends.map(backendText), outcome,
      agrees: same, traced: backend === undefined ? null : backendText(backend),
    },
  };
}

/** Who has the frontend: a Service, or a pod by its hostPort. */
function ownerOf(compiler: AdminSources['loop']['services']['compiler'], key: FrontKey, set: bigint): string {
  for (const compiled of [...compiler.compiled.values(), ...compiler.hostPorts().values()]) {
    const claim = compiled.claims.get(frontText(key));
    if (claim?.row.service === set) return claim.service;
  }
  return hex(set);
}

/** Why a packet to a service ends. */
export const refusal = (outcome: string): string => (outcome === 'denied' ? 'the client is in none of the service\'s source ranges' : `the service has no backend: ${outcome}`);
