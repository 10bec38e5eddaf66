import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cidr } from '../../agent/base/address.js';
import { cleanUpNode } from '../../agent/daemon/cleanup.js';
import { AttachmentTable } from '../../agent/kernel/attachment-table.js';
import { BpfObject, mountBpffs } from '../../agent/kernel/bpf-object.js';
import { findLink } from '../../agent/kernel/netlink.js';
import { WriteCounter } from '../../agent/kernel/write-counter.js';
import { takeNamespace } from '../support/own-namespace.js';
import { run } from '../support/shell.js';

const BPFFS = '/sys/fs/bpf';
let directory = '';

beforeAll(async () => {
  await takeNamespace();
  mountBpffs(BPFFS);
  directory = mkdtempSync(join(tmpdir(), 'canal-cleanup-'));
  run('ip link add cali0123 type veth peer name pod0');
  run('ip link add uplink0 type veth peer name uplink1');
  run('ip link add flannel.1 type vxlan id 1 dstport 8472');
  for (const device of ['cali0123', 'uplink0', 'flannel.1']) run(`ip link set ${device} up`);
  run('ip route add blackhole 10.42.0.0/24');
});

afterAll(() => rmSync(directory, { recursive: true }));

it('takes away pods’ devices, the overlay’s, programs at devices that stay, pins and files, and nothing when it is repeated', async () => {
  const path = (name: string): string => join(directory, name);
  const object = BpfObject.load({ path: 'build/bpf/canal4.o', pinDir: join(BPFFS, 'canal') });
  const table = new AttachmentTable({ programs: ['canal_from_upl', 'canal_to_upl'], program: (name) => object.program(name), linkDir: join(BPFFS, 'canal', 'links'), tcx: () => false }, new WriteCounter());
  const { ifindex } = findLink('uplink0')!;
  const rows = [false, true].map((egress) => ({ key: { ifindex, egress }, row: { ifindex, device: 'uplink0', egress, program: egress ? 'canal_to_upl' : 'canal_from_upl' } }));
  expect(table.upsert(rows)).toEqual([undefined, undefined]);
  object.close();
  expect(run('bpftool net show dev uplink0')).toContain('canal_from_upl');
  writeFileSync(path('subnet.env'), 'FLANNEL_MTU=1450\n');

  const settings = { bpffs: BPFFS, runDir: path('run'), stateDir: path('state'), calicoDir: '', subnetFile: path('subnet.env'), interfacePrefix: 'cali' };
  const first = await cleanUpNode(settings, [Cidr.parse('10.42.0.0/16')!], path('cni'));
  expect([...first.attachments].sort()).toEqual(['uplink0 egress', 'uplink0 ingress']);
  expect([...first.links].sort()).toEqual(['cali0123', 'flannel.1']);
  expect(first.routes.join()).toContain('10.42.0.0/24');
  expect(run('bpftool net show dev uplink0')).not.toContain('canal_');
  expect(run('ip -br link')).not.toMatch(/cali|flannel/);
  expect([existsSync(join(BPFFS, 'canal')), existsSync(settings.subnetFile)]).toEqual([false, false]);
  expect(await cleanUpNode(settings, [Cidr.parse('10.42.0.0/16')!], path('cni'))).toEqual({ links: [], routes: [], attachments: [], paths: [] });
});
