import { request, type IncomingMessage } from 'node:http';

/** Where the agent listens unless told otherwise. */
export const DEFAULT_SOCKET = '/run/canal/admin.sock';

/** A failure to be shown to the user as one line. */
export class CommandError extends Error {}

/** Asks the agent. @throws CommandError when there is no agent or it refuses. */
export async function ask<T>(socketPath: string, path: string, query: Readonly<Record<string, string | undefined>> = {}): Promise<T> {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const target = given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`;
  const response = await send(socketPath, target);
  const text = await body(response);
  if (response.statusCode !== 200) throw new CommandError(message(text) ?? `the agent answered ${response.statusCode}`);
  return JSON.parse(text) as T;
}

function send(socketPath: string, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const req = request({ socketPath, path, headers: { accept: 'application/json' } }, resolve);
    req.on('error', (error: NodeJS.ErrnoException) => reject(new CommandError(explain(error, socketPath))));
    req.end();
  });
}

function explain(error: NodeJS.ErrnoException, socketPath: string): string {
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return `no agent listens on ${socketPath}: is \`canal agent\` running here? (--socket names another)`;
  if (error.code === 'EACCES') return `${socketPath}: permission denied; only root may ask the agent`;
  return `${socketPath}: ${error.message}`;
}

async function body(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function message(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { message?: string }).message;
  } catch {
    return undefined;
  }
}
