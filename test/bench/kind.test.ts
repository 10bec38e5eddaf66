import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const KIND = join(import.meta.dirname, '..', '..', 'deploy', 'kind');

/** Programs that note how they were called and, with `--config -`, what they were given. */
const STAND_IN = `#!/bin/sh
echo "$(basename "$0") $*" >> "$NOTES/calls"
case "$*" in *"--config -"*) cat > "$NOTES/config" ;; esac
case "$(basename "$0") $1" in "docker inspect") echo 172.18.0.3 ;; esac
`;

let notes: string;
beforeEach(() => {
  notes = mkdtempSync(join(tmpdir(), 'canal-kind-'));
  for (const name of ['kind', 'docker', 'kubectl']) writeFileSync(join(notes, name), STAND_IN, { mode: 0o755 });
});
afterEach(() => rmSync(notes, { recursive: true }));

const run = (...args: string[]): string => execFileSync(join(KIND, 'kind.sh'), args, { encoding: 'utf8', env: { PATH: `${notes}:${process.env['PATH']}`, NOTES: notes }, stdio: ['ignore', 'pipe', 'pipe'] });
const noted = (name: string): string => readFileSync(join(notes, name), 'utf8');

describe('deploy/kind', () => {
  it.each(['none', 'iptables', 'nftables'])('makes a cluster without network plugin and with kube-proxy mode %s', (mode) => {
    expect(run('up', 'mine', mode)).toMatch(/build\/kind-mine\.kubeconfig\n$/);
    expect(noted('calls')).toMatch(/^kind create cluster --name mine --config - --kubeconfig \S+kind-mine\.kubeconfig\n$/);
    expect(parse(noted('config'))).toEqual({
      kind: 'Cluster', apiVersion: 'kind.x-k8s.io/v1alpha4',
      networking: { disableDefaultCNI: true, kubeProxyMode: mode, podSubnet: '10.244.0.0/16', serviceSubnet: '10.96.0.0/16' },
      nodes: [{ role: 'control-plane' }, { role: 'worker' }, { role: 'worker' }],
    });
  });

  it('gives pods the network of canal’s manifest', () => {
    expect(readFileSync(join(KIND, '..', 'canal.yaml'), 'utf8')).toContain('"Network": "10.244.0.0/16"');
  });

  it('puts canal into a cluster and tells it where the API server is', () => {
    run('canal', 'mine', 'image.tar');
    const calls = noted('calls').trimEnd().split('\n');
    expect(calls[0]).toBe('kind load image-archive image.tar --name mine');
    expect(calls[2]).toMatch(/^kubectl --kubeconfig \S+kind-mine\.kubeconfig -n kube-system create configmap kubernetes-services-endpoint --from-literal=KUBERNETES_SERVICE_HOST=172\.18\.0\.3 /);
    expect(calls[3]).toMatch(/ apply -f \S+deploy\/canal\.yaml$/);
    expect(calls[4]).toMatch(/ rollout status daemonset\/canal /);
  });

  it('deletes a cluster', () => {
    run('down', 'mine');
    expect(noted('calls')).toMatch(/^kind delete cluster --name mine /);
  });

  it.each([[[]], [['up', 'mine']], [['up', 'mine', 'ipvs']]])('refuses %j and touches nothing', (args) => {
    expect(() => run(...args)).toThrow(/kind\.sh up NAME none\|iptables\|nftables/);
  });
});
