import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../agent/base/clock.js';
import { createKubeClient } from '../../agent/datastore/client.js';
import { loadConnection } from '../../agent/datastore/load-connection.js';
import { NODES } from '../../agent/datastore/resource.js';
import { startLab, type Lab } from '../../agent/lab/lab.js';
import { cli } from '../../agent/lab/machine/layout.js';
import { eventually } from './eventually.js';

/** `canal apiserver` as a process that can be killed, behind a wire that can be cut. */
export class ApiProcess {
  readonly #directory = mkdtempSync(join(tmpdir(), 'canal-api-'));
  readonly #wires = new Set<readonly [client: Socket, server: Socket]>();
  #child: ChildProcess | undefined;
  #proxy: Server | undefined;
  #port = 0;
  #cutting = false;
  #rewrite: (text: string) => string = (text) => text;
  /** Watch lines that were cut in the middle. */
  cuts = 0;

  /** kubeconfig that goes through the wire. */
  get kubeconfig(): string {
    return join(this.#directory, 'kubeconfig');
  }

  async start(): Promise<void> {
    const file = join(this.#directory, 'direct.kubeconfig');
    rmSync(file, { force: true });
    const args = ['apiserver', '--port', String(this.#port), '--data-dir', join(this.#directory, 'data'), '--write-kubeconfig', file, '--log-level', 'warn'];
    this.#child = spawn(process.execPath, [cli(), ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
    const found = (): RegExpExecArray | null => (existsSync(file) ? /server: "?http:\/\/127\.0\.0\.1:(\d+)/.exec(readFileSync(file, 'utf8')) : null);
    await eventually('API server listens', () => (found() === null ? 'no kubeconfig' : ''), { withinMs: 20_000 });
    this.#port = Number(found()![1]);
    if (this.#proxy !== undefined) return;
    this.#proxy = createServer((client) => this.#join(client)).listen(0, '127.0.0.1');
    await once(this.#proxy, 'listening');
    writeFileSync(this.kubeconfig, readFileSync(file, 'utf8').replace(`127.0.0.1:${this.#port}`, `127.0.0.1:${(this.#proxy.address() as AddressInfo).port}`));
  }

  async kill(): Promise<void> {
    if (this.#child === undefined) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
    this.#child = undefined;
  }

  /** From now on each watch event that the server sends ends in the middle, and its connection with it. */
  cutEvents(on: boolean): void {
    this.#cutting = on;
  }

  /** From now on the server's words reach clients as `rewrite` makes them: text of the same length. */
  rewrite(rewrite: (text: string) => string): void {
    this.#rewrite = rewrite;
  }

  async close(): Promise<void> {
    await this.kill();
    for (const [client, server] of this.#wires) [client, server].forEach((socket) => socket.destroy());
    this.#proxy?.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #join(client: Socket): void {
    const server = connect(this.#port, '127.0.0.1');
    const wire = [client, server] as const;
    this.#wires.add(wire);
    client.pipe(server);
    server.on('data', (chunk: Buffer) => this.#carry(chunk, wire));
    for (const socket of wire) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        wire.forEach((one) => one.destroy());
        this.#wires.delete(wire);
      });
    }
  }

  #carry(said: Buffer, [client, server]: readonly [Socket, Socket]): void {
    const chunk = Buffer.from(this.#rewrite(said.toString('latin1')), 'latin1');
    if (chunk.length !== said.length) throw new Error('rewritten text must be as long as it was');
    const event = this.#cutting ? chunk.indexOf('{"type":"') : -1;
    if (event < 0) return void client.write(chunk);
    this.cuts++;
    client.write(chunk.subarray(0, event + Math.floor((chunk.length - event) / 2)), () => server.destroy());
  }
}

/** A lab of two nodes on such a server, with the part of a controller manager that it has not: pod CIDRs. */
export async function startLabOn(api: ApiProcess, title: string): Promise<Lab> {
  await api.start();
  const [lab] = await Promise.all([startLab({ name: `${title}-${process.pid}`, kubeconfig: api.kubeconfig, nodes: 2 }), allotPodCidrs(api)]);
  return lab;
}

async function allotPodCidrs(api: ApiProcess): Promise<void> {
  const client = createKubeClient(await loadConnection({ kubeconfig: api.kubeconfig, env: {}, clock: systemClock }), systemClock);
  for (const index of [1, 2]) {
    const podCIDR = `10.42.${index}.0/24`;
    const patch = (): Promise<string> => client.patch(NODES, { name: `node${index}` }, 'merge', { spec: { podCIDR, podCIDRs: [podCIDR] } }).then(() => '');
    await eventually(`node${index} has a pod CIDR`, patch, { withinMs: 20_000, everyMs: 50 });
  }
  client.close();
}
