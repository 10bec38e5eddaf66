import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, it } from 'vitest';
import { OLD_KUBECTL } from './differences.js';
import { POD_DAYS } from './pod-days.js';
import { kubectl, type Place } from './kubectl.js';
import { openRecord, spend, type DayRecord } from './spend.js';

/** A cluster whose pods run. */
export interface RunningCluster {
  readonly kubeconfig: string;
  /** An image with /usr/bin/node. */
  readonly image: string;
  /** Names of its nodes: the first is cordoned, drained and given back. */
  readonly nodes: readonly string[];
}

/** The days with pods, on the cluster that is there once they begin. @param known commands that say something else than what was recorded, by day  @param recording whether to write instead of to compare */
export function podDays(cluster: () => RunningCluster, known: Readonly<Record<string, Readonly<Record<string, string>>>>, recording: boolean): void {
  const token = randomBytes(3).toString('hex');
  let record: DayRecord;
  let home: string;
  let port: number;
  const place = (namespace: string): Place => ({ kubeconfig: cluster().kubeconfig, home, namespace, words: { IMAGE: cluster().image, NODE: cluster().nodes[0] ?? '', PORT: String(port) } });

  beforeAll(async () => {
    port = await freePort();
    home = mkdtempSync(join(tmpdir(), 'canal-kubectl-'));
    record = await openRecord('pods-', place('default'), recording);
  });
  afterAll(() => {
    if (home) rmSync(home, { recursive: true, force: true });
    record?.save(); // what failed before it was there must not keep a lab from being closed
  });

  Object.entries(POD_DAYS).forEach(([title, day], index) => {
    it(title, async () => {
      const namespace = `day${index}-${token}`;
      await kubectl({ line: `create namespace ${namespace}` }, place(namespace));
      try {
        record.hold(title, await spend(day, place(namespace), token, (text) => words(text, cluster(), port)), [...Object.keys(known[title] ?? {}), ...(record.older ? Object.keys(OLD_KUBECTL[title] ?? {}) : [])]);
      } finally {
        await kubectl({ line: `delete namespace ${namespace}` }, place(namespace));
      }
    }, 400_000);
  });
}

/** Names, addresses and versions of a cluster become words; its nodes are one. */
function words(text: string, { image, nodes }: RunningCluster, port: number): string {
  return nodes
    .reduce((named, node) => named.replaceAll(node, 'NODE'), text)
    .replaceAll(`docker.io/library/${image}`, 'IMAGE')
    .replaceAll(image, 'IMAGE')
    .replaceAll(String(port), 'PORT')
    .replace(/(cni.projectcalico.org\/podIPs?:).*/g, '$1 ADDRESS')
    .replace(/(image ?id): .*/gi, '$1: ID')
    .replace(/\b[\w-]+:\/\/[0-9a-f]{64}/g, 'CONTAINER')
    .replace(/\b[0-9a-f]{64}\b/g, 'ID')
    .replace(/\bv1\.\d+\.\d+\S*/g, 'VERSION')
    .replace(/\bweb-(?!HASH)[a-z0-9]{7,10}-[a-z0-9]{5}\b/g, 'web-HASH-XXXXX')
    .replace(/\bweb-(?!HASH)[a-z0-9]{7,10}\b/g, 'web-HASH')
    .replace(/\b(each|once|web)-[a-z0-9]{5}\b/g, '$1-XXXXX')
    .replace(/\b\d+\.\d+\.\d+\.\d+(\/\d+)?\b/g, 'ADDRESS')
    .replace(/pod-template-hash([=:]) ?"?[a-z0-9]+"?/g, 'pod-template-hash$1HASH');
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
