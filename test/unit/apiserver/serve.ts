import { startApiServer } from '../../../agent/apiserver/server.js';

// A server as a process of its own, for tests that kill it: DIRECTORY as its only argument, its address on standard output.
const server = await startApiServer({ dataDir: process.argv.at(-1) ?? '' });
process.stdout.write(`${server.url}\n`);
