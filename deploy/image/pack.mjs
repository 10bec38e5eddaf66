// Packs a folder into an image as `docker save` writes it: `node deploy/image/pack.mjs ROOT IMAGE.tar`.
// Equal files make an equal image: names are sorted, owners root, times SOURCE_DATE_EPOCH or 1970.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CONFIG, TAG } from './config.mjs';

const [root, image] = process.argv.slice(2).map((path) => resolve(path));
const epoch = Number(process.env.SOURCE_DATE_EPOCH ?? 0);
const stage = join(dirname(image), 'image', 'save');

const sha256 = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');

function tar(dir, file, ...names) {
  execFileSync('tar', ['--create', '--file', file, '--directory', dir, '--sort=name', '--format=gnu', '--numeric-owner', '--owner=0', '--group=0', `--mtime=@${epoch}`, ...names]);
}

rmSync(stage, { recursive: true, force: true });
mkdirSync(stage, { recursive: true });
tar(root, join(stage, 'layer.tar'), '--transform=s,^\\./,,S', '.');
const layer = sha256(join(stage, 'layer.tar'));
renameSync(join(stage, 'layer.tar'), join(stage, `${layer}.tar`));

const created = new Date(epoch * 1000).toISOString().replace('.000', '');
const config = JSON.stringify({
  architecture: { x64: 'amd64' }[process.arch] ?? process.arch,
  os: 'linux',
  created,
  config: CONFIG,
  rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
  history: [{ created, created_by: 'make image' }],
});
const id = createHash('sha256').update(config).digest('hex');
writeFileSync(join(stage, `${id}.json`), config);
writeFileSync(join(stage, 'manifest.json'), JSON.stringify([{ Config: `${id}.json`, RepoTags: [TAG], Layers: [`${layer}.tar`] }]));
tar(stage, `${image}.new`, 'manifest.json', `${id}.json`, `${layer}.tar`);
renameSync(`${image}.new`, image);
rmSync(stage, { recursive: true });
