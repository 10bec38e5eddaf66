import { json, type Handler } from '../../observe/http-server.js';
import { conntrackView } from './conntrack.js';
import { dropsView } from './drops.js';
import { endpointsView } from './endpoints.js';
import { mapsView } from './maps.js';
import { peersView } from './peers.js';
import { policiesView } from './policies.js';
import { routesView } from './routes.js';
import { servicesView } from './services.js';
import type { AdminSources } from './sources.js';
import { statusView } from './status.js';
import { traceView } from './trace.js';

type Page = (sources: AdminSources, query: URLSearchParams) => unknown;

const PAGES: ReadonlyMap<string, Page> = new Map<string, Page>([
  ['/v1/status', statusView],
  ['/v1/endpoints', endpointsView],
  ['/v1/policies', policiesView],
  ['/v1/peers', peersView],
  ['/v1/conntrack', conntrackView],
  ['/v1/drops', dropsView],
  ['/v1/routes', routesView],
  ['/v1/services', servicesView],
  ['/v1/maps', mapsView],
  ['/v1/trace', traceView],
]);

/** The admin socket: pages that read and change nothing. observe/views.ts has their types. */
export function adminHandler(sources: AdminSources): Handler {
  return (path, query) => {
    const page = PAGES.get(path);
    return page === undefined ? undefined : json(page(sources, query));
  };
}
