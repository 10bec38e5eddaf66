/** A pod of one container; without a command it serves its ports. */
export function podManifest(name: string, spec: Record<string, unknown> = {}, container: Record<string, unknown> = {}, labels: Record<string, string> = { app: name }): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels },
    spec: { terminationGracePeriodSeconds: 2, ...spec, containers: [{ name: 'main', image: 'any', ...container }] },
  };
}

export const on = (node: string): { nodeSelector: Record<string, string> } => ({ nodeSelector: { 'kubernetes.io/hostname': node } });

export const shell = (script: string): { command: string[] } => ({ command: ['sh', '-c', script] });
