import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { Dialogue } from '../contract/dialogue.js';
import { openTarget, type Target } from '../contract/target.js';
import { DAYS, type Command } from './days.js';
import { DIFFERENCES } from './differences.js';
import type { Place } from './kubectl.js';
import { openRecord, spend, type DayRecord, type Said } from './spend.js';

/** Write what a real server made kubectl say, instead of comparing with it. */
const RECORD = process.env['CANAL_CONTRACT_RECORD'] === '1';

let target: Target;
let place: Place;
let record: DayRecord;

beforeAll(async () => {
  const home = mkdtempSync(join(tmpdir(), 'canal-kubectl-'));
  target = await openTarget();
  place = { kubeconfig: join(home, 'config'), home, namespace: 'default' };
  writeFileSync(place.kubeconfig, target.kubeconfig);
  record = await openRecord('', place, RECORD && !target.embedded);
});
afterAll(async () => {
  await target.close();
  rmSync(place.home, { recursive: true, force: true });
  record.save();
});

async function inNamespace(day: readonly Command[]): Promise<Said[]> {
  const dialogue = new Dialogue(target);
  try {
    await dialogue.openNamespace();
    return await spend(day, { ...place, namespace: dialogue.namespace, words: { TOKEN: dialogue.token } }, dialogue.token);
  } finally {
    await dialogue.close();
  }
}

describe('with kubectl, as with a real cluster, a user', () => {
  for (const [title, day] of Object.entries(DAYS)) {
    it(title, async () => record.hold(title, await inNamespace(day), target.embedded ? Object.keys(DIFFERENCES[title] ?? {}) : []), 120_000);
  }
});
