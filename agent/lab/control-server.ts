import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { CanalError } from '../base/errors.js';
import type { Lab } from './lab.js';

/**
 * What other commands ask a running lab over its unix socket:
 * `GET /status`, `POST /nodes/NAME/agent/{start,stop,kill}`, `POST /close`.
 */
export async function serveControl(lab: Lab, socket: string, onClose: () => void): Promise<Server> {
  const server = createServer((request, response) => {
    handle(lab, request, onClose).then(
      (body) => answer(response, 200, body),
      (error: unknown) => answer(response, error instanceof CanalError && error.code === 'CONFIG' ? 404 : 500, { message: error instanceof Error ? error.message : String(error) }),
    );
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socket, resolve));
  return server;
}

async function handle(lab: Lab, request: IncomingMessage, onClose: () => void): Promise<unknown> {
  const path = request.url ?? '';
  if (request.method === 'GET' && path === '/status') return lab.status();
  if (request.method === 'POST' && path === '/close') {
    setImmediate(onClose);
    return {};
  }
  const [, name, verb] = /^\/nodes\/([^/]+)\/agent\/(start|stop|kill)$/.exec(path) ?? [];
  const node = lab.nodes.find((one) => one.name === name);
  if (request.method !== 'POST' || node === undefined) throw new CanalError('CONFIG', `${request.method} ${path}: no such thing`);
  if (verb === 'start') lab.startAgent(node);
  else await node.agent.stop(verb === 'kill' ? 'SIGKILL' : 'SIGTERM');
  return lab.status();
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
