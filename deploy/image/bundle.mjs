import { readFileSync } from 'node:fs';
import { build } from 'esbuild';

/** Each chunk may hold CommonJS that asks for Node's modules. */
const REQUIRE = "import { createRequire as canalRequire } from 'node:module';const require = canalRequire(import.meta.url);";
const HEADER = '#!/usr/bin/node\n';

/**
 * Bundles agent/cli/main.ts and what it loads into `outdir`: main.js, and a
 * file for each command, loaded when it is asked for. All are in one folder, so
 * that paths relative to a module (../../native) mean what they do unbundled.
 * @returns {Promise<{ name: string, text: string }[]>}
 */
export async function bundle(root) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['agent/cli/main.ts'],
    outdir: 'out',
    write: false,
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    keepNames: true, // error and class names appear in logs
    legalComments: 'none',
    external: ['ffi-napi', 'ref-napi'],
    banner: { js: REQUIRE },
    plugins: [onlyForNodes],
    logLevel: 'error',
  });
  return outputFiles
    .map(({ path, text }) => ({ name: path.split('/').at(-1), text }))
    .map(({ name, text }) => ({ name, text: name === 'main.js' ? HEADER + text.replace(/^#!.*\n/, '') : text }));
}

/**
 * Leaves the commands of the embedded API server, of the lab and of the benchmarks out: a node
 * has no use for them, and they are ten times as large as the agent.
 */
const onlyForNodes = {
  name: 'only-for-nodes',
  setup({ onLoad }) {
    onLoad({ filter: /\/agent\/cli\/.*\.ts$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      if (!/(from|import\() ?'(\.\.\/)+(apiserver|lab|bench)\//.test(source)) return undefined;
      const names = [...source.matchAll(/^export (?:async )?function (\w+)/gm)].map(([, name]) => name);
      return { contents: names.map((name) => `export function ${name}() {}`).join('\n'), loader: 'js' };
    });
  },
};
