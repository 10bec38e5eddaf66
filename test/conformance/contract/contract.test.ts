import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyPatch, compare, getValueByPointer, type Operation } from 'fast-json-patch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AREAS } from './cases/areas.js';
import { Dialogue, type Turn } from './dialogue.js';
import { DIFFERENCES } from './differences.js';
import { openTarget, type Target } from './target.js';

/** Write what the server answers, instead of comparing with it. */
const RECORD = process.env['CANAL_CONTRACT_RECORD'] === '1';

/** Of the embedded server: how its turns differ from the recorded ones, by area and title. */
type Deviations = Record<string, Record<string, Operation[]>>;

const fileOf = (name: string): string => join(import.meta.dirname, 'recorded', `${name}.json`);
const load = <T>(name: string): T => (existsSync(fileOf(name)) ? JSON.parse(readFileSync(fileOf(name), 'utf8')) : {}) as T;
const deviations = load<Deviations>('embedded');

let target: Target;
beforeAll(async () => {
  target = await openTarget();
});
afterAll(async () => {
  if (RECORD && target.embedded) writeFileSync(fileOf('embedded'), deviationsText());
  await target.close();
});

for (const [area, cases] of Object.entries(AREAS)) {
  const recorded = load<Record<string, Turn[]>>(area);

  describe(`the API's ${area}`, () => {
    for (const [title, run] of Object.entries(cases)) {
      it(title, async (test) => {
        const turns = await hold(run, (why) => test.skip(why));
        const before = recorded[title] ?? [];
        if (!RECORD) expect(differing(expectedOf(area, title, before), turns)).toEqual([]);
        else if (target.embedded) (deviations[area] ??= {})[title] = compare(before, turns);
        else recorded[title] = turns;
      }, 60_000);
    }
    afterAll(() => {
      if (RECORD && !target.embedded) writeFileSync(fileOf(area), turnsText(recorded, Object.keys(cases)));
    });
  });
}

describe('a difference', () => {
  it('has its reason, and a reason its difference', () => {
    const listed = Object.entries(DIFFERENCES).flatMap(([area, reasons]) => Object.keys(reasons).map((title) => `${area}: ${title}`));
    const found = Object.entries(deviations).flatMap(([area, byTitle]) => Object.entries(byTitle).flatMap(([title, operations]) => (operations.length > 0 ? [`${area}: ${title}`] : [])));
    expect(listed.toSorted()).toEqual(found.toSorted());
  });
});

async function hold(run: (dialogue: Dialogue) => Promise<void>, skip: (why: string) => never): Promise<Turn[]> {
  const dialogue = new Dialogue(target, skip);
  try {
    await dialogue.openNamespace();
    await run(dialogue);
  } finally {
    await dialogue.close();
  }
  // As it would be read back from a file: without undefined.
  return JSON.parse(JSON.stringify(dialogue.turns)) as Turn[];
}

/** What a real server answered; of the embedded one, with its known differences. */
function expectedOf(area: string, title: string, recorded: readonly Turn[]): readonly Turn[] {
  if (!target.embedded) return recorded;
  return applyPatch(structuredClone([...recorded]), structuredClone(deviations[area]?.[title] ?? []), true).newDocument;
}

/** Where two runs of a case differ: the request, what is other, what it was. */
function differing(expected: readonly Turn[], turns: readonly Turn[]): string[] {
  return compare([...expected], [...turns]).map((operation) => {
    const was = operation.op === 'add' ? '' : ` instead of ${JSON.stringify(getValueByPointer([...expected], operation.path))}`;
    return `${expected[Number(operation.path.split('/')[1])]?.ask ?? 'one more'}: ${JSON.stringify(operation)}${was}`;
  });
}

/** One line a turn: a change of an answer is a change of a line. */
function turnsText(recorded: Record<string, Turn[]>, titles: readonly string[]): string {
  const cases = titles.map((title) => `${JSON.stringify(title)}: ${linesOf(recorded[title] ?? [])}`);
  return `{\n${cases.join(',\n')}\n}\n`;
}

function deviationsText(): string {
  const areas = Object.keys(AREAS).map((area) => {
    const titles = Object.keys(AREAS[area] ?? {}).filter((title) => (deviations[area]?.[title] ?? []).length > 0);
    return `${JSON.stringify(area)}: {\n${titles.map((title) => `${JSON.stringify(title)}: ${linesOf(deviations[area]?.[title] ?? [])}`).join(',\n')}\n}`;
  });
  return `{\n${areas.join(',\n')}\n}\n`;
}

const linesOf = (items: readonly unknown[]): string => `[\n${items.map((item) => JSON.stringify(item)).join(',\n')}\n]`;
