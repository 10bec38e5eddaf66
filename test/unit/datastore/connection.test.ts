import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CanalError } from '../../../agent/base/errors.js';
import type { Connection } from '../../../agent/datastore/connection.js';
import { loadConnection, type ConnectionOptions } from '../../../agent/datastore/load-connection.js';
import { ManualClock } from '../../support/manual-clock.js';

let dir: string;
let clock: ManualClock;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'canal-connection-'));
  clock = new ManualClock();
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const file = (name: string, content: string): string => {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
};
const load = (options: Partial<ConnectionOptions>): Promise<Connection> =>
  loadConnection({ env: {}, clock, accountDir: join(dir, 'none'), ...options });
const refusal = (options: Partial<ConnectionOptions>): Promise<string> =>
  load(options).then(
    () => 'accepted',
    (error: unknown) => {
      expect(error).toBeInstanceOf(CanalError);
      expect((error as CanalError).code).toBe('CONFIG');
      return (error as CanalError).message;
    },
  );

const kubeconfig = (user: string, cluster = 'server: https://10.0.0.1:6443'): string => `
apiVersion: v1
kind: Config
current-context: main
clusters: [{name: c, cluster: {${cluster}}}]
users: [{name: u, user: {${user}}}]
contexts: [{name: main, context: {cluster: c, user: u}}, {name: other, context: {cluster: c}}]
`;

describe('a kubeconfig', () => {
  it('gives server, authority, token and client certificate', async () => {
    const ca = Buffer.from('CA').toString('base64');
    file('client.key', 'KEY');
    file('client.crt', 'CERT');
    const path = file('config', kubeconfig('token: t0, client-certificate: client.crt, client-key: client.key', `server: "https://api:1/x", certificate-authority-data: ${ca}, tls-server-name: kube`));
    const connection = await load({ kubeconfig: path });
    expect(connection.server.href).toBe('https://api:1/x');
    const { headers, tls } = await connection.credentials();
    expect(headers).toEqual({ authorization: 'Bearer t0' });
    expect({ ca: String(tls.ca), cert: String(tls.cert), key: String(tls.key), name: tls.servername }).toEqual({ ca: 'CA', cert: 'CERT', key: 'KEY', name: 'kube' });
    expect((await connection.credentials()).tls).toBe(tls);
  });

  it('has its server replaced by an explicit URL', async () => {
    const connection = await load({ kubeconfig: file('config', kubeconfig('token: t0')), apiUrl: 'https://127.0.0.1:8443' });
    expect(connection.server.href).toBe('https://127.0.0.1:8443/');
    expect((await connection.credentials()).headers).toEqual({ authorization: 'Bearer t0' });
  });

  it('is found by KUBECONFIG, where the first of several files wins', async () => {
    const first = file('first', 'current-context: main\nusers: [{name: u, user: {token: mine}}]\n');
    const second = file('second', kubeconfig('token: theirs'));
    const connection = await load({ env: { KUBECONFIG: `${first}:${second}` } });
    expect((await connection.credentials()).headers).toEqual({ authorization: 'Bearer mine' });
  });

  it('is taken at the context that is asked for', async () => {
    const connection = await load({ kubeconfig: file('config', kubeconfig('token: t0')), context: 'other' });
    expect((await connection.credentials()).headers).toEqual({});
  });

  it('speaks with name and password, and for others', async () => {
    const connection = await load({ kubeconfig: file('config', kubeconfig('username: me, password: pw, as: you')) });
    expect((await connection.credentials()).headers).toEqual({ authorization: `Basic ${Buffer.from('me:pw').toString('base64')}`, 'impersonate-user': 'you' });
  });

  it('reads its token file again', async () => {
    const token = file('token', 'one\n');
    const connection = await load({ kubeconfig: file('config', kubeconfig('tokenFile: token')) });
    expect((await connection.credentials()).headers).toEqual({ authorization: 'Bearer one' });
    writeFileSync(token, 'two\n');
    await clock.advance(10_000);
    expect((await connection.credentials()).headers).toEqual({ authorization: 'Bearer two' });
  });

  it('runs its credential plugin once until the answer runs out, and again when the server says no', async () => {
    const plugin = file('plugin', `#!/bin/sh
n=$(cat ${dir}/runs 2>/dev/null || echo 0); echo $((n+1)) > ${dir}/runs
test -n "$KUBERNETES_EXEC_INFO" || exit 1
echo '{"kind":"ExecCredential","status":{"token":"t'$n'","expirationTimestamp":"2026-01-01T00:10:00Z"}}'
`);
    chmodSync(plugin, 0o755);
    const connection = await load({ kubeconfig: file('config', kubeconfig(`exec: {apiVersion: client.authentication.k8s.io/v1, command: ${plugin}}`)) });
    const token = async (): Promise<string> => (await connection.credentials()).headers['authorization']!;
    expect(await Promise.all([token(), token()])).toEqual(['Bearer t0', 'Bearer t0']);
    await clock.advance(500_000);
    expect(await token()).toBe('Bearer t0');
    await clock.advance(90_000);
    expect(await token()).toBe('Bearer t1');
    connection.invalidate();
    expect(await token()).toBe('Bearer t2');
  });

  it.each<[string, string]>([
    ['current-context: x\n', 'no context "x"'],
    ['{', 'config'],
    [kubeconfig('token: t', 'server: "ftp://x"'), 'not an http or https URL'],
    [kubeconfig('token: t', 'server: "https://x", proxy-url: "http://p"'), 'proxy-url is not supported'],
    [kubeconfig('auth-provider: {name: gcp}'), 'auth-provider was removed'],
    ['clusters: [{name: c}]', 'clusters[0].cluster is missing'],
    ['users: [null, 5]', 'users[0].name is missing'],
  ])('that cannot be used is refused with a reason: %#', async (content, reason) => {
    expect(await refusal({ kubeconfig: file('config', content) })).toContain(reason);
  });

  it('that is not there is refused by name', async () => {
    expect(await refusal({ kubeconfig: join(dir, 'absent') })).toContain('absent');
  });
});

describe('the pod account', () => {
  const account = (): string => {
    const path = join(dir, 'account');
    mkdirSync(path);
    writeFileSync(join(path, 'token'), 'one');
    writeFileSync(join(path, 'ca.crt'), 'CA');
    return path;
  };
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };

  it('gives server, authority and a token that follows rotation', async () => {
    const accountDir = account();
    const connection = await load({ env, accountDir });
    expect(connection.server.href).toBe('https://[fd00::1]:6443/');
    const { headers, tls } = await connection.credentials();
    expect([headers, String(tls.ca)]).toEqual([{ authorization: 'Bearer one' }, 'CA']);
    file('next', 'two');
    renameSync(join(dir, 'next'), join(accountDir, 'token'));
    expect((await connection.credentials()).headers).toEqual(headers);
    await clock.advance(10_000);
    const after = await connection.credentials();
    expect(after.headers).toEqual({ authorization: 'Bearer two' });
    expect(after.tls).toBe(tls);
  });

  it('keeps its token while the file is away', async () => {
    const accountDir = account();
    const connection = await load({ env, accountDir });
    await connection.credentials();
    rmSync(join(accountDir, 'token'));
    await clock.advance(20_000);
    expect((await connection.credentials()).headers).toEqual({ authorization: 'Bearer one' });
  });

  it('is used with an explicit https URL, and never over http', async () => {
    const accountDir = account();
    const secure = await load({ env, accountDir, apiUrl: 'https://api:6443' });
    expect([secure.server.host, (await secure.credentials()).headers]).toEqual(['api:6443', { authorization: 'Bearer one' }]);
    const clear = await load({ env, accountDir, apiUrl: 'http://127.0.0.1:8001' });
    expect([clear.server.href, (await clear.credentials()).headers]).toEqual(['http://127.0.0.1:8001/', {}]);
  });
});

it('with nothing given there is an error that names the ways', async () => {
  expect(await refusal({})).toContain('KUBECONFIG');
});
