import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { TAG } from '../../../deploy/image/config.mjs';
import { file } from './repository.js';

const words = (path: string, pattern: RegExp): string[] => pattern.exec(readFileSync(file(path), 'utf8'))?.[1]?.trim().split(/\s+/) ?? [];

test('a container engine is given all of the repository but what make clean removes', () => {
  const removed = words('Makefile', /\trm -rf (.+)/);
  expect(words('.dockerignore', /^([^]+)$/).filter((name) => name !== '.git' && !removed.includes(name))).toEqual([]);
});

test('the manifest runs the image that is built', () => {
  const images = [...readFileSync(file('deploy/canal.yaml'), 'utf8').matchAll(/image: (\S+)/g)].map(([, image]) => image);
  expect(new Set(images)).toEqual(new Set([TAG]));
});
