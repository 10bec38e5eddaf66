import { spawn } from 'node:child_process';
import { expect, it } from 'vitest';
import { given, nodes } from '../cluster.js';

/** The network's conformance specs; SCTP is not in them. */
const CONFORMANCE = ['--ginkgo.focus=\\[sig-network\\].*\\[Conformance\\]'];

/** Kubernetes' own judge, unmodified. */
export function suites(): void {
  it.runIf(given.e2eTest !== '')("Kubernetes' own specs pass", async () => {
    const args = given.e2eArgs.length > 0 ? given.e2eArgs : CONFORMANCE;
    const count = (await nodes()).length;
    const status = await new Promise<number | null>((resolve, reject) => {
      const child = spawn(given.e2eTest, [`--kubeconfig=${given.kubeconfig}`, '--provider=skeleton', `--num-nodes=${count}`, '--ginkgo.no-color', ...args], { stdio: 'inherit' });
      child.on('error', reject).on('close', resolve);
    });
    expect(status).toBe(0);
  }, 7_200_000);
}
