import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CONFIG, TAG } from '../../../deploy/image/config.mjs';
import { file } from './repository.js';

const dockerfile = readFileSync(file('deploy/image/Dockerfile'), 'utf8').replaceAll('\\\n', ' ').split('\n');
/** Arguments of an instruction, of the last stage only. */
const lastStage = dockerfile.slice(dockerfile.findLastIndex((line) => line.startsWith('FROM ')));
const all = (instruction: string): string[] => lastStage.filter((line) => line.startsWith(`${instruction} `)).map((line) => line.slice(instruction.length + 1));
const unquoted = (text: string): string => text.replace(/="(.*)"$/, '=$1');

test('the Dockerfile takes its files from where make image takes them, and no others', () => {
  expect(lastStage[0]).toBe('FROM scratch');
  expect(all('COPY')).toEqual(['--from=build /src/build/image/root /']);
  expect(all('ADD')).toEqual([]);
  expect(all('RUN')).toEqual([]);
  expect(dockerfile).toContain('RUN make build/image/root');
});

test('the Dockerfile starts the image as make image does', () => {
  expect(all('ENTRYPOINT').map((text) => JSON.parse(text) as unknown)).toEqual([CONFIG.Entrypoint]);
  expect(all('ENV').map(unquoted)).toEqual(CONFIG.Env);
  expect(Object.fromEntries(all('LABEL').map((text) => unquoted(text).split(/=(.*)/s).slice(0, 2) as [string, string]))).toEqual(CONFIG.Labels);
  expect(all('WORKDIR')).toEqual([CONFIG.WorkingDir]);
});

test('the manifest runs the image that is built', () => {
  const images = [...readFileSync(file('deploy/canal.yaml'), 'utf8').matchAll(/image: (\S+)/g)].map(([, image]) => image);
  expect(new Set(images)).toEqual(new Set([TAG]));
});
