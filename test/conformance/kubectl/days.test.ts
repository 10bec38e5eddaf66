import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Dialogue } from '../contract/dialogue.js';
import { openTarget, type Target } from '../contract/target.js';
import { normalForm } from '../contract/normal-form.js';
import { DAYS, type Command } from './days.js';
import { DIFFERENCES } from './differences.js';

/** Another kubectl, as a path: CANAL_KUBECTL. */
const KUBECTL = process.env['CANAL_KUBECTL'] ?? 'kubectl';
/** Write what a real server made kubectl say, instead of comparing with it. */
const RECORD = process.env['CANAL_CONTRACT_RECORD'] === '1';
const FOLDER = join(import.meta.dirname, 'recorded');

type Said = readonly string[];

let target: Target;
let directory: string;
let version: string;
let recorded: Record<string, Said[]> = {};

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'canal-kubectl-'));
  target = await openTarget();
  writeFileSync(join(directory, 'config'), target.kubeconfig);
  const text = (await run({ line: 'version --client -o json' }, 'default')).out;
  version = (JSON.parse(text) as { clientVersion: { major: string; minor: string } }).clientVersion.minor.replace(/\D/g, '');
  recorded = load();
});
afterAll(async () => {
  await target.close();
  rmSync(directory, { recursive: true, force: true });
  if (RECORD && !target.embedded) writeFileSync(join(FOLDER, `1.${version}.json`), `${JSON.stringify(recorded, undefined, 1)}\n`);
});

/** What was recorded with this kubectl, or with the nearest version. */
function load(): Record<string, Said[]> {
  const minors = (existsSync(FOLDER) ? readdirSync(FOLDER) : []).map((name) => Number(/^1\.(\d+)\.json$/.exec(name)?.[1]));
  const [nearest] = minors.toSorted((a, b) => Math.abs(a - Number(version)) - Math.abs(b - Number(version)));
  if (nearest === undefined) return {};
  if (nearest !== Number(version)) console.log(`kubectl 1.${version} is compared with what 1.${nearest} said`);
  return JSON.parse(readFileSync(join(FOLDER, `1.${nearest}.json`), 'utf8')) as Record<string, Said[]>;
}

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function run({ line, input, editor }: Command, namespace: string): Promise<Outcome> {
  const words = [...line.replaceAll('NS', namespace).matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
  const env = { ...process.env, KUBECONFIG: join(directory, 'config'), HOME: directory, ...(editor === undefined ? {} : { KUBE_EDITOR: `sed -i -e ${editor}` }) };
  const where = line.includes(' -n ') || line.startsWith('version') ? [] : ['-n', namespace];
  return new Promise((resolve) => {
    const child = execFile(KUBECTL, [...words, ...where], { env }, (error, out, err) => resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err }));
    child.stdin?.end(input);
  });
}

/** What no two runs have in common becomes words; columns are as wide as what stands in them. */
function normal(text: string, token: string): string[] {
  return normalForm(token)
    .text(text)
    .replace(/resourceVersion"?: "\d+"/g, 'resourceVersion: "VERSION"')
    .replace(/\b\d+(s|ms|m|h)(\d+s)?\b/g, 'AGE')
    .replace(/\S*\/(LIVE|MERGED)-\d+\/\S*/g, '$1')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC/g, 'TIME')
    .replace(/^([IWE])\d{4} [\d:.]+ +\d+ (\w+\.go):\d+\]/gm, '$1 $2')
    .replace(/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000/g, 'TIME')
    .split('\n')
    .filter((line) => !/^(---|\+\+\+|diff) /.test(line))
    .map((line) => line.replace(/(\S)\s{2,}/g, '$1  ').trimEnd())
    .filter((line) => line !== '');
}

async function spend(day: readonly Command[]): Promise<Said[]> {
  const dialogue = new Dialogue(target);
  try {
    await dialogue.openNamespace();
    const said: Said[] = [];
    for (const command of day) {
      const { code, out, err } = await run(command, dialogue.namespace);
      said.push([`$ kubectl ${command.line}${code === 0 ? '' : ` -> ${code}`}`, ...(command.quiet === true ? [] : [...normal(out, dialogue.token), ...normal(err, dialogue.token)])]);
    }
    return said;
  } finally {
    await dialogue.close();
  }
}

describe('with kubectl, as with a real cluster, a user', () => {
  for (const [title, day] of Object.entries(DAYS)) {
    it(title, async () => {
      const said = await spend(day);
      if (RECORD && !target.embedded) {
        recorded[title] = said;
        return;
      }
      const other = said.flatMap((lines, index) => (JSON.stringify(lines) === JSON.stringify(recorded[title]?.[index]) ? [] : [{ here: lines, there: recorded[title]?.[index] ?? [] }]));
      const known = target.embedded ? Object.keys(DIFFERENCES[title] ?? {}) : [];
      expect(other.filter(({ here }) => !known.some((line) => here[0]?.startsWith(`$ kubectl ${line}`)))).toEqual([]);
    }, 120_000);
  }
});
