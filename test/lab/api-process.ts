import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

  #carry(chunk: Buffer, [client, server]: readonly [Socket, Socket]): void {
    const event = this.#cutting ? chunk.indexOf('{"type":"') : -1;
    if (event < 0) return void client.write(chunk);
    this.cuts++;
    client.write(chunk.subarray(0, event + Math.floor((chunk.length - event) / 2)), () => server.destroy());
  }
}
