import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request, createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createWire, connect, type AddressInfo, type Server as WireServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { given } from './cluster.js';

interface Upstream {
  readonly server: URL;
  readonly ca: Buffer | undefined;
}

/**
 * HTTPS before the cluster's API server, under an authority of its own, with faults on demand. Clients' tokens go through,
 * so that to the API server they are who they are.
 */
export class Front {
  /** Before each answer's first byte. */
  delayMs = 0;
  /** Answers everything with 429 and this Retry-After while set. */
  retryAfterSeconds: number | undefined;
  /** Of two servers behind the address one is dead: every second connection gets no word. */
  halfDead = false;
  /** Requests since `count` was called last. */
  #requests = 0;
  #authority = 0;
  #server: Server | undefined;
  readonly #directory = mkdtempSync(join(tmpdir(), 'canal-front-'));
  readonly #upstream = upstream();
  readonly #watches = new Set<ServerResponse>();
  readonly #sockets = new Set<Socket>();
  readonly #wire: WireServer;
  #connections = 0;

  private constructor(readonly host: string) {
    this.#wire = createWire((socket) => this.#accept(socket));
  }

  /** @param host the address by which nodes reach this process */
  static async open(host: string): Promise<Front> {
    const front = new Front(host);
    await new Promise<void>((resolve) => front.#wire.listen(0, '0.0.0.0', resolve));
    await front.renew();
    return front;
  }

  get url(): string {
    return `https://${this.host}:${(this.#wire.address() as AddressInfo).port}`;
  }

  /** The authority's certificate, PEM. */
  get authority(): string {
    return readFileSync(join(this.#directory, `ca${this.#authority}.crt`), 'utf8');
  }

  /** A new authority, and a certificate of it: connections end, and who trusts only the old one is shut out. */
  async renew(): Promise<void> {
    this.#authority++;
    const ca = join(this.#directory, `ca${this.#authority}`);
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=front ${this.#authority}`, '-keyout', `${ca}.key`, '-out', `${ca}.crt`);
    await this.certify();
  }

  /** Another certificate of the authority, and connections end. @param from, until when it is good, in hours from now */
  async certify(from = -0.1, until = 24): Promise<void> {
    const [ca, leaf] = [join(this.#directory, `ca${this.#authority}`), join(this.#directory, 'leaf')];
    writeFileSync(`${leaf}.conf`, AUTHORITY.replace('HOST', this.host));
    writeFileSync(join(this.#directory, 'index.txt'), '');
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=front', '-keyout', `${leaf}.key`, '-out', `${leaf}.csr`);
    // `x509 -req` cannot say from when.
    const dates = ['-startdate', inHours(from), '-enddate', inHours(until)];
    execFileSync('openssl', ['ca', '-batch', '-notext', '-config', `${leaf}.conf`, '-cert', `${ca}.crt`, '-keyfile', `${ca}.key`, ...dates, '-in', `${leaf}.csr`, '-out', `${leaf}.crt`], { cwd: this.#directory, stdio: ['ignore', 'pipe', 'pipe'] });
    const old = this.#server;
    const server = createServer({ key: readFileSync(`${leaf}.key`), cert: readFileSync(`${leaf}.crt`) }, (req, res) => this.#serve(req, res));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#server = server;
    old?.close();
    this.cut();
  }

  /** Requests since the last call. */
  count(): number {
    const count = this.#requests;
    this.#requests = 0;
    return count;
  }

  /** Ends watches in the middle; how many there were. */
  cutWatches(): number {
    const count = this.#watches.size;
    for (const watch of this.#watches) watch.destroy();
    return count;
  }

  /** Ends every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.#wire.close();
    this.#server?.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #accept(client: Socket): void {
    this.#sockets.add(client);
    client.on('error', () => undefined).on('close', () => this.#sockets.delete(client));
    if (this.halfDead && this.#connections++ % 2 === 0) return; // accepted, and nobody is there
    const server = connect((this.#server!.address() as AddressInfo).port, '127.0.0.1');
    server.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.on('close', () => server.destroy());
    client.pipe(server).pipe(client);
  }

  #serve(req: IncomingMessage, res: ServerResponse): void {
    this.#requests++;
    res.on('error', () => undefined);
    if (this.retryAfterSeconds !== undefined) {
      const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'TooManyRequests', code: 429, message: 'too many requests, please try again later' };
      res.writeHead(429, { 'content-type': 'application/json', 'retry-after': String(this.retryAfterSeconds) }).end(JSON.stringify(status));
      return;
    }
    setTimeout(() => this.#forward(req, res), this.delayMs);
  }

  #forward(req: IncomingMessage, res: ServerResponse): void {
    const { server, ca } = this.#upstream;
    if (/[?&]watch=(true|1)/.test(req.url ?? '')) {
      this.#watches.add(res);
      res.on('close', () => this.#watches.delete(res));
    }
    const onward = request({ host: server.hostname, port: server.port || 443, ca, method: req.method, path: req.url, headers: { ...req.headers, host: server.host } }, (answer) => {
      res.writeHead(answer.statusCode!, answer.headers);
      res.flushHeaders(); // a watch's come before its first event
      answer.on('error', () => res.destroy());
      answer.pipe(res);
    });
    onward.on('error', () => res.destroy());
    res.on('close', () => onward.destroy());
    req.pipe(onward);
  }
}

const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });

/** As certificates have it: YYYYMMDDHHMMSSZ. */
const inHours = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString().replace(/[-:T]|\.\d+/g, '');

/** What `openssl ca` wants to be told, in its working directory. */
const AUTHORITY = `[ca]
default_ca = front
[front]
database = index.txt
unique_subject = no
rand_serial = yes
new_certs_dir = .
default_md = sha256
policy = any
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
subjectAltName = IP:HOST
`;

function upstream(): Upstream {
  const config = parse(readFileSync(given.kubeconfig, 'utf8')) as { clusters: [{ cluster: Record<string, string> }] };
  const { server, 'certificate-authority': file, 'certificate-authority-data': data } = config.clusters[0].cluster;
  return { server: new URL(server!), ca: data !== undefined ? Buffer.from(data, 'base64') : file !== undefined ? readFileSync(file) : undefined };
}
