import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import type { PodRuntime } from '../../../agent/apiserver/pod-runtime.js';

/** A pod runtime for tests: commands run on this machine, ports are those of loopback. */
export const localRuntime: PodRuntime = {
  exec: ({ command, stdin, stdout, stderr, signal }) =>
    new Promise((resolve, reject) => {
      const [file = 'true', ...rest] = command;
      const child = spawn(file, rest, { signal });
      if (stdin === undefined) child.stdin.end();
      else stdin.pipe(child.stdin);
      if (stdout !== undefined) child.stdout.pipe(stdout, { end: false });
      if (stderr !== undefined) child.stderr.pipe(stderr, { end: false });
      child.once('error', reject);
      child.once('close', (code) => resolve({ exitCode: code ?? 137 }));
    }),
  logs: async ({ tailLines, container }) => {
    const lines = ['first', 'second', `third of ${container}`];
    return Readable.from((tailLines === undefined ? lines : lines.slice(-tailLines)).map((line) => `${line}\n`));
  },
  portForward: ({ port }) =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket));
      socket.once('error', reject);
    }),
};
