import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request as plainRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { startApiServer } from '../../../agent/apiserver/server.js';

/** The API server that the contract is held against. */
export interface Target {
  /** Sends a request; resolves with the head of its answer. */
  send(method: string, path: string, headers: Record<string, string>, body: string | undefined): Promise<IncomingMessage>;
  /** How kubectl finds it. */
  readonly kubeconfig: string;
  /** True for the server of this repository, for which `differences.ts` holds. */
  readonly embedded: boolean;
  /** Whether watches may begin with initial events; not every real server's may. */
  sendsInitialEvents(): Promise<boolean>;
  close(): Promise<void>;
}

/** The cluster of CANAL_CONTRACT_KUBECONFIG, or the embedded server, started here. */
export async function openTarget(): Promise<Target> {
  const file = process.env['CANAL_CONTRACT_KUBECONFIG'];
  if (file !== undefined && file !== '') return target(readFileSync(file, 'utf8'), false, async () => undefined);
  const dataDir = mkdtempSync(join(tmpdir(), 'canal-contract-'));
  // Started twice, so that there are versions that it has forgotten.
  await (await startApiServer({ dataDir })).close();
  const server = await startApiServer({ dataDir });
  return target(server.kubeconfig, true, async () => {
    await server.close();
    rmSync(dataDir, { recursive: true });
  });
}

async function target(kubeconfig: string, embedded: boolean, close: () => Promise<void>): Promise<Target> {
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  const server = new URL(config.getCurrentCluster()?.server ?? '');
  const identity: RequestOptions = {};
  if (server.protocol === 'https:') await config.applyToHTTPSOptions(identity);
  const request = server.protocol === 'https:' ? tlsRequest : plainRequest;
  const send: Target['send'] = (method, path, headers, body) =>
    new Promise((resolve, reject) => {
      const given = { ...(identity.headers as Record<string, string> | undefined), 'user-agent': 'contract', ...headers };
      const sent = request(new URL(path, server), { ...identity, method, headers: given }, resolve);
      sent.once('error', reject);
      sent.end(body);
    });
  let sends: Promise<boolean> | undefined;
  return { send, kubeconfig, embedded, sendsInitialEvents: () => (sends ??= sendsInitialEvents(send)), close };
}

async function sendsInitialEvents(send: Target['send']): Promise<boolean> {
  const response = await send('GET', '/api/v1/namespaces?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1', { accept: 'application/json' }, undefined);
  let text = '';
  for await (const chunk of response as AsyncIterable<Buffer>) text += chunk.toString();
  return response.statusCode === 200 && text.includes('k8s.io/initial-events-end');
}
