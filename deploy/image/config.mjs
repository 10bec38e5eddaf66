import { readFileSync } from 'node:fs';

const { version, description, license } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

export const TAG = `canal:${version}`;

/** How the image is run: the `config` of its OCI configuration. The Dockerfile says the same; a test compares them. */
export const CONFIG = {
  Entrypoint: ['/usr/bin/node', '/opt/canal/agent/cli/main.js'],
  Env: [
    'PATH=/usr/bin',
    // 1 MiB of new space, not 16: an idle agent collects garbage early instead of keeping it (README.md has the figures).
    // Certificate authorities are those of the file, so that a user can mount another.
    'NODE_OPTIONS=--max-semi-space-size=1 --use-openssl-ca',
    'SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt',
  ],
  WorkingDir: '/',
  Labels: {
    'org.opencontainers.image.title': 'canal',
    'org.opencontainers.image.description': description,
    'org.opencontainers.image.version': version,
    'org.opencontainers.image.licenses': license,
  },
};
