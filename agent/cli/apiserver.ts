import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { createLogger, type LogLevel } from '../base/log.js';
import { startApiServer } from '../apiserver/server.js';

interface Flags {
  bindAddress: string;
  port: number;
  serviceClusterIpRange: string;
  dataDir?: string;
  manifests?: string;
  writeKubeconfig: string;
  logLevel: LogLevel;
}

/** `canal apiserver`: the embedded Kubernetes API server as a process of its own. */
export function registerApiServer(program: Command): void {
  program
    .command('apiserver')
    .description('run the embedded Kubernetes API server (no authentication: keep it on loopback)')
    .option('--bind-address <ip>', 'address to listen on', '127.0.0.1')
    .option('--port, --secure-port <port>', 'port to listen on; 0 takes a free one', parsePort, 6443)
    .option('--service-cluster-ip-range <cidr>', 'where services get their cluster addresses from', '10.43.0.0/16')
    .option('--data-dir <directory>', 'keep objects here across restarts; without it they are in memory only')
    .option('--manifests <directory>', 'apply the YAML and JSON files in this directory at start')
    .option('--write-kubeconfig <file>', 'where to write the kubeconfig', 'canal.kubeconfig')
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .action(async (_flags: unknown, command: Command) => run(command.opts()));
}

async function run(given: Record<string, unknown>): Promise<void> {
  const flags = { ...given, port: given['securePort'] ?? given['port'] } as unknown as Flags;
  const logger = createLogger(flags.logLevel, { component: 'apiserver' });
  const server = await startApiServer({
    address: flags.bindAddress,
    port: flags.port,
    serviceCidr: flags.serviceClusterIpRange,
    logger,
    ...(flags.dataDir === undefined ? {} : { dataDir: flags.dataDir }),
    ...(flags.manifests === undefined ? {} : { manifestsDir: flags.manifests }),
  });
  const file = resolve(flags.writeKubeconfig);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, server.kubeconfig, { mode: 0o600 });
  process.stdout.write(`export KUBECONFIG=${file}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close().then(() => process.exit(0)));
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new InvalidArgumentError('must be between 0 and 65535');
  return port;
}
