import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CniCode } from '../../../agent/cni/cni-error.js';
import { encodeFrame, MAX_CONFIG_BYTES } from '../../../agent/cni/frame.js';
import { CniServer } from '../../../agent/cni/server.js';
import { Node, type Answer } from './node.js';

const BINARY = resolve('build/native/canal-cni');

let node: Node;
let server: CniServer;
let directory: string;
let socket: string;

beforeAll(() => {
  execFileSync('make', ['-s', '-C', 'native/cni']);
});
beforeEach(async () => {
  node = new Node();
  directory = mkdtempSync(join(tmpdir(), 'canal-plugin-'));
  socket = join(directory, 'run', 'cni.sock');
  server = new CniServer({ path: socket, deadlineMs: 20_000, receiveMs: 3_000 }, (raw, signal) => node.handler(raw, signal), pino({ level: 'silent' }));
  await server.listen();
});
afterEach(async () => {
  await server.close();
  node.remove();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs the binary as a runtime does: variables, configuration on standard input, JSON on standard output. */
function plugin(env: Record<string, string>, config: unknown, own: Record<string, string> = {}): Promise<Answer & { stdout: string }> {
  return new Promise((done, reject) => {
    const settings = { CANAL_CNI_SOCKET: socket, CANAL_CNI_QUEUE: join(node.directory, 'queue'), ...own };
    const child = spawn(BINARY, { env: { ...settings, ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stdin.on('error', () => undefined); // the binary stops reading what is too large
    child.on('error', reject);
    child.on('close', (status) => done({ status: status as 0 | 1, stdout, json: stdout === '' ? {} : (JSON.parse(stdout) as Answer['json']) }));
    child.stdin.end(typeof config === 'string' || Buffer.isBuffer(config) ? config : JSON.stringify(config));
  });
}

const add = (id: string, config: object = node.config(), own = {}): Promise<Answer> => plugin(node.env('ADD', id), config, own);
const del = (id: string, config: object = node.config(), own = {}): Promise<Answer> => plugin(node.env('DEL', id), config, own);

describe('the plugin binary', () => {
  it('is small and static', () => {
    expect(statSync(BINARY).size).toBeLessThan(1 << 20);
    expect(execFileSync('readelf', ['-lW', BINARY]).toString()).not.toMatch(/INTERP/);
  });

  it('attaches, checks and detaches a pod through the socket', async () => {
    const made = await add('c1');
    expect(made).toMatchObject({ status: 0, json: { cniVersion: '1.0.0', ips: [{ address: '10.244.1.2/32' }] } });
    expect(await plugin(node.env('CHECK', 'c1'), { ...node.config(), prevResult: made.json })).toMatchObject({ status: 0, stdout: '' });
    expect(await del('c1')).toMatchObject({ status: 0, stdout: '' });
    expect(node.reserved()).toEqual([]);
  });

  it('serves 60 ADDs at once', async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => add(`c${i}`)));
    expect(answers.filter(({ status }) => status !== 0)).toEqual([]);
    expect(node.reserved()).toHaveLength(60);
  });

  it.each<[string, unknown, number]>([
    ['bad JSON', '{"cniVersion":"1.0.0","name', CniCode.DECODE],
    ['nothing', '', CniCode.DECODE],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0, 1, 2]), CniCode.DECODE],
    ['JSON nested 100,000 deep', '['.repeat(100_000), CniCode.DECODE],
    ['10 MB', `{"type":"canal","pad":"${'x'.repeat(10 << 20)}"}`, CniCode.DECODE],
    ['no type', { cniVersion: '1.0.0', name: 'net' }, CniCode.INVALID_CONFIG],
    ['a version of the future', { cniVersion: '2.0.0', name: 'net', type: 'canal' }, CniCode.INCOMPATIBLE_VERSION],
  ])('answers %s on standard input with a CNI error', async (_, config, code) => {
    const answer = await plugin(node.env('ADD', 'c1'), config);
    expect(answer).toMatchObject({ status: 1, json: { code, msg: expect.any(String), cniVersion: expect.any(String) } });
    expect(node.dataplane.calls).toEqual([]);
  });

  it('takes the largest configuration that is allowed', async () => {
    const config = { ...node.config(), pad: '' };
    config.pad = 'x'.repeat(MAX_CONFIG_BYTES - JSON.stringify(config).length);
    expect((await add('c1', config)).status).toBe(0);
  });

  it('answers missing and unknown commands by itself', async () => {
    expect((await plugin({}, '')).json).toMatchObject({ code: CniCode.INVALID_ENV, msg: 'CNI_COMMAND: not set' });
    expect((await plugin({ CNI_COMMAND: 'FROB' }, '')).json).toMatchObject({ code: CniCode.INVALID_ENV });
    expect((await plugin({ ...node.env('ADD', 'c1'), CNI_ARGS: 'x'.repeat(100_000) }, node.config())).json).toMatchObject({ code: CniCode.INVALID_ENV });
  });

  it('answers GC and STATUS of 1.1.0', async () => {
    await add('c1');
    const config = { ...node.config(), cniVersion: '1.1.0' };
    expect(await plugin({ CNI_COMMAND: 'STATUS' }, config)).toMatchObject({ status: 0, stdout: '' });
    expect(await plugin({ CNI_COMMAND: 'GC' }, { ...config, 'cni.dev/valid-attachments': [] })).toMatchObject({ status: 0, stdout: '' });
    expect(node.reserved()).toEqual([]);
  });

  it('finds socket and queue in the configuration', async () => {
    const config = { plugins: [{ socket: '/wrong' }], note: '"socket":"/wrong"', socket, ...node.config() };
    expect((await add('c1', config, { CANAL_CNI_SOCKET: '' })).status).toBe(0);
    expect((await del('c2', { ...config, socket: '/none', queue: join(directory, 'q') }, { CANAL_CNI_SOCKET: '', CANAL_CNI_QUEUE: '' })).status).toBe(0);
    expect(readdirSync(join(directory, 'q'))).toHaveLength(1);
  });
});

describe('without the agent', () => {
  beforeEach(() => server.close());

  it('answers VERSION', async () => {
    expect((await plugin({ CNI_COMMAND: 'VERSION' }, '{"cniVersion":"1.0.0"}')).json).toEqual({
      cniVersion: '1.1.0',
      supportedVersions: ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    });
  });

  it('answers ADD, CHECK and GC with "try again later" in the request\'s version, and STATUS with "unavailable"', async () => {
    for (const verb of ['ADD', 'CHECK', 'GC']) expect((await plugin(node.env(verb, 'c1'), node.config({ cniVersion: '0.4.0' }))).json).toMatchObject({ code: 11, cniVersion: '0.4.0' });
    expect((await plugin({ CNI_COMMAND: 'STATUS' }, node.config())).json).toMatchObject({ code: 50 });
  });

  it('queues DEL once however often it is asked, and the agent does it at its start', async () => {
    await node.add('c1');
    await node.add('c2');
    for (let i = 0; i < 3; i++) expect(await del('c1')).toMatchObject({ status: 0, stdout: '' });
    expect(readdirSync(join(node.directory, 'queue'))).toHaveLength(1);
    node.start();
    expect(await node.queue.replay(node.handler)).toEqual({ done: 1, kept: 0, rejected: 0 });
    expect(node.reserved()).toEqual(['10.244.1.3']);
    expect(readdirSync(join(node.directory, 'queue'))).toEqual([]);
  });

  it('does a queued DEL before the next ADD of that container', async () => {
    await node.add('c1');
    await del('c1');
    expect((await node.add('c1')).status).toBe(0);
    expect(node.reserved()).toEqual(['10.244.1.3']);
    expect(await node.queue.replay(node.handler)).toEqual({ done: 0, kept: 0, rejected: 0 });
  });

  it('keeps a queued DEL that fails, and throws away what is none', async () => {
    await node.add('c1');
    await del('c1');
    writeFileSync(join(node.directory, 'queue', 'rubbish.request'), 'CNI1rubbish');
    writeFileSync(join(node.directory, 'queue', 'add.request'), encodeFrame({ env: new Map(Object.entries(node.env('ADD', 'c9'))), config: Buffer.from('{}') }));
    node.dataplane.failing.add('remove');
    expect(await node.queue.replay(node.handler)).toEqual({ done: 0, kept: 1, rejected: 2 });
    node.dataplane.failing.clear();
    expect(await node.queue.replay(node.handler)).toEqual({ done: 1, kept: 0, rejected: 0 });
  });

  it('says so when DEL cannot be queued', async () => {
    writeFileSync(join(directory, 'file'), '');
    expect((await del('c1', node.config(), { CANAL_CNI_QUEUE: join(directory, 'file') })).json).toMatchObject({ code: CniCode.IO });
  });
});

describe('an agent that dies or hangs in the middle of a request', () => {
  let broken: Server;
  beforeEach(() => server.close());
  afterEach(() => new Promise<void>((closed) => broken.close(() => closed())));

  const listen = (onData: (peer: Socket) => void): Promise<void> => {
    broken = createServer((peer) => {
      peer.on('error', () => undefined);
      peer.once('data', () => onData(peer));
    });
    return new Promise((ready) => broken.listen(socket, ready));
  };

  it.each<[string, Buffer]>([['no answer', Buffer.alloc(0)], ['half a header', Buffer.from('CNI1')], ['half an answer', Buffer.from('CNI1\0\0\0\0\0\0\0\x09{"cni')], ['rubbish', Buffer.alloc(64, 'x')]])(
    'with %s: ADD may be tried again, DEL is queued',
    async (_, bytes) => {
      await listen((peer) => peer.end(bytes));
      expect((await add('c1')).json).toMatchObject({ code: CniCode.TRY_LATER });
      expect((await del('c1')).status).toBe(0);
      expect(readdirSync(join(node.directory, 'queue'))).toHaveLength(1);
    },
  );

  it('is not waited for longer than the limit', async () => {
    await listen(() => undefined);
    expect((await add('c1', node.config(), { CANAL_CNI_TIMEOUT_MS: '50' })).json).toMatchObject({ code: CniCode.TRY_LATER, details: 'Connection timed out' });
  });
});

describe("the agent's socket", () => {
  it('is for root alone', () => expect(statSync(socket).mode & 0o777).toBe(0o600));

  it.each<[string, Buffer]>([
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a frame that claims 4 GB', Buffer.from('CNI1\0\0\0\0\xff\xff\xff\xff', 'latin1')],
    ['half a frame', Buffer.from('CNI1\0\0\0\x10\0\0\0\0abc', 'latin1')],
    ['more than a frame', Buffer.concat([encodeFrame({ env: new Map(), config: Buffer.alloc(0) }), Buffer.from('more')])],
    ['nothing', Buffer.alloc(0)],
  ])('hangs up on %s and serves the next', async (_, bytes) => {
    const peer = connect(socket);
    peer.on('error', () => undefined);
    peer.write(bytes);
    await new Promise((closed) => peer.on('close', closed));
    expect((await add('c1')).status).toBe(0);
  });

  it('finishes what a caller that hung up asked for', async () => {
    const peer = connect(socket);
    peer.end(encodeFrame({ env: new Map(Object.entries(node.env('ADD', 'c1'))), config: Buffer.from(JSON.stringify(node.config())) }));
    peer.destroySoon();
    await expect.poll(() => node.context.endpoints.ready().length).toBe(1);
  });
});
