import { request } from 'node:http';
import { CanalError } from '../base/errors.js';
import { labDirectory } from './state.js';
import { labFiles } from './machine/layout.js';
import type { LabStatus } from './status.js';

/** The status of a running lab. Throws CanalError CONFIG when there is none, DATASTORE when it does not answer. */
export function statusOf(name: string): Promise<LabStatus> {
  return ask(name, 'GET', '/status');
}

export function controlAgent(name: string, node: string, verb: 'start' | 'stop' | 'kill'): Promise<LabStatus> {
  return ask(name, 'POST', `/nodes/${node}/agent/${verb}`);
}

const DEADLINE_MS = 10_000;

function ask(name: string, method: string, path: string): Promise<LabStatus> {
  const dir = labDirectory(name);
  if (dir === undefined) throw new CanalError('CONFIG', `there is no lab ${name}: canal lab up --name ${name}`, { subject: name });
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: labFiles(dir).socket, method, path, timeout: DEADLINE_MS }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const body = JSON.parse(Buffer.concat(chunks).toString()) as LabStatus & { message?: string };
        if (response.statusCode === 200) resolve(body);
        else reject(new CanalError('CONFIG', body.message ?? 'the lab refused'));
      });
    });
    asked.on('timeout', () => asked.destroy(new Error('timeout')));
    asked.on('error', (cause) => reject(new CanalError('DATASTORE', `lab ${name} does not answer (canal lab down --name ${name} removes what is left of it)`, { cause, subject: name })));
    asked.end();
  });
}
