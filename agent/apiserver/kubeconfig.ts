import { stringify } from 'yaml';

/** A kubeconfig with one cluster, user and context, all called `name`. */
export function kubeconfigFor(url: string, name = 'canal', certificateAuthority?: string): string {
  const authority = certificateAuthority === undefined ? {} : { 'certificate-authority-data': Buffer.from(certificateAuthority).toString('base64') };
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: url, ...authority } }],
    users: [{ name, user: {} }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: 'default' } }],
    'current-context': name,
  });
}
