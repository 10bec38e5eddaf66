import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { contents } from '../../../deploy/image/assemble.mjs';
import { CONFIG, TAG } from '../../../deploy/image/config.mjs';
import { describedImage } from './dockerfile.js';
import { layer, sha256 } from './listing.js';
import { makeImage } from './make.js';
import { file } from './repository.js';

/** Packing is what takes long. */
const TIMEOUT_MS = 120_000;

let dir: string;
let root: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'canal-image-'));
  makeImage('image', join(dir, 'one'));
  execFileSync('tar', ['-xf', join(dir, 'one/canal-image.tar'), '-C', dir]);
  root = join(dir, 'root');
  execFileSync('mkdir', [root]);
  execFileSync('tar', ['-xf', join(dir, manifest().Layers[0] ?? ''), '-C', root]);
}, TIMEOUT_MS);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Manifest { readonly Config: string; readonly RepoTags: string[]; readonly Layers: string[] }
const manifest = (): Manifest => (JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as Manifest[])[0]!;

/** Runs in the image's files alone, with a read-only root and its own /proc, as the image's configuration says. */
function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && mount -t proc proc "$0/proc" && exec /usr/sbin/chroot "$0" "$@"';
  return spawnSync('unshare', ['--mount', '--pid', '--fork', 'sh', '-c', script, root, ...args], {
    encoding: 'utf8',
    env: Object.fromEntries(CONFIG.Env.map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string])),
  });
}

const canal = (...args: string[]) => run(...CONFIG.Entrypoint, ...args);

test('the image is a list, a configuration and one layer, which name each other by what they hold', () => {
  const { Config, RepoTags, Layers } = manifest();
  expect(RepoTags).toEqual([TAG]);
  expect(Config).toBe(`${sha256(join(dir, Config))}.json`);
  const config = JSON.parse(readFileSync(join(dir, Config), 'utf8')) as { rootfs: unknown; config: unknown; os: string };
  expect(config.rootfs).toEqual({ type: 'layers', diff_ids: Layers.map((layer) => `sha256:${sha256(join(dir, layer))}`) });
  expect(config.config).toEqual(CONFIG);
  expect(config.os).toBe('linux');
});

test('the same files make the same image, byte for byte', () => {
  makeImage('image', join(dir, 'two'));
  expect(sha256(join(dir, 'two/canal-image.tar'))).toBe(sha256(join(dir, 'one/canal-image.tar')));
}, TIMEOUT_MS);

/** What an engine makes of the Dockerfile, with these lines added to its last stage. */
function described(...more: string[]) {
  const made = (target: string): string => {
    const into = join(dir, 'engine', target);
    if (!existsSync(into)) makeImage(target, into);
    return join(into, 'image/root');
  };
  const ignored = readFileSync(file('.dockerignore'), 'utf8').trim().split('\n');
  return describedImage([readFileSync(file('deploy/image/Dockerfile'), 'utf8'), ...more].join('\n'), { context: file(''), ignored, made });
}

test('the Dockerfile makes the same image: every path with its mode, owner and content, and the configuration', () => {
  const { Config, Layers } = manifest();
  const { config } = JSON.parse(readFileSync(join(dir, Config), 'utf8')) as { config: unknown };
  const image = described();
  expect(Layers.flatMap((name) => layer(join(dir, name), root))).toEqual(image.entries);
  expect(config).toEqual(image.config);
}, TIMEOUT_MS);

test('what the Dockerfile would copy besides is seen', () => {
  const before = new Set(described().entries.map(({ path }) => path));
  const after = described('COPY --from=build /src/deploy/canal.yaml /etc/canal/', 'COPY deploy/image/nsswitch.conf /etc/other').entries.map(({ path }) => path);
  expect(after.filter((path) => !before.has(path))).toEqual(['/etc/canal', '/etc/canal/canal.yaml', '/etc/other']);
  for (const line of ['COPY --from=build /etc/passwd /etc/', 'COPY build/image/root /', 'COPY --from=build /src /all', 'ADD deploy /', 'RUN true']) expect(() => described(line), line).toThrow();
}, TIMEOUT_MS);

test('the image holds what its list says and nothing else', () => {
  const lists = contents();
  const exact = lists.filter(({ kind }) => !['js', 'libs'].includes(kind)).map(({ path }) => path);
  const bundled = lists.filter(({ kind }) => kind === 'js').map(({ path }) => path);
  const found = execFileSync('find', ['.', '!', '-type', 'd'], { cwd: root, encoding: 'utf8' }).trim().split('\n').map((path) => path.slice(1));
  const others = found.filter((path) => !exact.includes(path) && !bundled.some((js) => path.startsWith(`${js}/`) && path.endsWith('.js')));
  expect(others.every((path) => /^\/usr\/lib(64)?\/(\w+-linux-gnu\/)?(lib[\w+-]+|ld-linux-[\w-]+)\.so\.\d+$/.test(path)), others.join(' ')).toBe(true);
  expect(exact.filter((path) => !found.includes(path) && !existsSync(root + path))).toEqual([]);
});

test('nothing in it is a shell, a set-user-ID program or open to everybody\'s writing', () => {
  expect(readdirSync(join(root, 'usr/bin')).sort()).toEqual(['canal', 'node']);
  expect(execFileSync('find', ['.', '!', '-type', 'l', '-perm', '/6022'], { cwd: root, encoding: 'utf8' })).toBe('');
});

test('every library that a file in it is linked with is in it', () => {
  const binaries = execFileSync('find', ['.', '-type', 'f', '(', '-name', '*.so*', '-o', '-name', '*.node', '-o', '-name', 'node', ')'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
  expect(binaries.length).toBeGreaterThan(8);
  const present = new Set(binaries.map((path) => path.split('/').at(-1)));
  for (const path of binaries) {
    const dynamic = execFileSync('readelf', ['--dynamic', path], { cwd: root, encoding: 'utf8' });
    for (const [, needed] of dynamic.matchAll(/\(NEEDED\).*\[(.+)\]/g)) expect(present, `${path} needs it`).toContain(needed);
  }
});

test('its node and its commands start with a read-only root and nothing else of the machine', () => {
  expect(run('/usr/bin/node', '--version')).toMatchObject({ status: 0, stdout: `${process.version}\n` });
  expect(canal('version')).toMatchObject({ status: 0, stdout: expect.stringContaining(TAG.replace(':', ' ')) as string });
  const help = canal('agent', '--help');
  expect(help).toMatchObject({ status: 0, stderr: '' });
  expect(help.stdout).toContain('--fast-path');
  expect(run('/usr/bin/canal', 'install-cni', '--help')).toMatchObject({ status: 0, stderr: '' });
});

test('its native library loads and finds the BPF objects', () => {
  // Without privileges over a network the agent cannot start; what it says must not be that something is missing.
  const load = "require('/opt/canal/node_modules/ffi-napi').Library('/opt/canal/native/libcanal.so', { canal_version: ['int', []] }).canal_version()";
  expect(run('/usr/bin/node', '--print', load)).toMatchObject({ status: 0, stdout: '1\n' });
  expect(readdirSync(join(root, 'opt/canal/bpf')).sort()).toEqual(['abi.o', 'canal4.o', 'canal6.o']);
});

test('the commands of the embedded API server and the lab are not in it', () => {
  const help = canal('--help').stdout;
  expect(help).toContain('agent');
  expect(help).not.toMatch(/^ {2}(apiserver|lab|demo|bench)\b/m);
  expect(canal('apiserver').status).toBe(2);
});

test('install-cni puts the plugin and the configuration into the folders that are given', () => {
  const copy = join(dir, 'copy');
  cpSync(root, copy, { recursive: true, verbatimSymlinks: true });
  execFileSync('mkdir', ['-p', join(copy, 'host/opt/cni/bin'), join(copy, 'host/etc/cni/net.d')]);
  const env = { PATH: '/usr/bin', SLEEP: 'false', CNI_CONF_NAME: '10-canal.conflist', CNI_NETWORK_CONFIG: '{"name":"k","cniVersion":"1.0.0","plugins":[{"type":"canal","mtu":__CNI_MTU__}]}', CNI_MTU: '0' };
  const { status, stderr, stdout } = spawnSync('/usr/sbin/chroot', [copy, ...CONFIG.Entrypoint, 'install-cni'], { encoding: 'utf8', env });
  expect(status, stdout + stderr).toBe(0);
  expect(sha256(join(copy, 'host/opt/cni/bin/canal'))).toBe(sha256(file('build/native/canal-cni')));
  expect(JSON.parse(readFileSync(join(copy, 'host/etc/cni/net.d/10-canal.conflist'), 'utf8'))).toMatchObject({ name: 'k' });
});
