import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { normalForm } from '../contract/normal-form.js';
import type { Command } from './days.js';
import { kubectl, type Outcome, type Place } from './kubectl.js';

/** What kubectl said after a command: the command with its exit code, and the lines. */
export type Said = readonly string[];
type Days = Record<string, Said[]>;

/** Since this kubectl `-o yaml` hides managedFields, and more was said anew by then. */
const FIELDS_HIDDEN = 21;
const FOLDER = join(import.meta.dirname, 'recorded');

/** What kubectl said with a real cluster; by day. */
export interface DayRecord {
  /** Whether kubectl is so much older than the one that was recorded that it says some things otherwise. */
  readonly older: boolean;
  /** Writes what was said instead of comparing with it; `known` are commands that may say something else. */
  hold(title: string, said: readonly Said[], known: readonly string[]): void;
  save(): void;
}

/** @param name of the file, without kubectl's version; the nearest is taken  @param recording whether to write instead of to compare */
export async function openRecord(name: string, place: Place, recording: boolean): Promise<DayRecord> {
  const minor = await minorVersion(place);
  const file = (version: number): string => join(FOLDER, `${name}1.${version}.json`);
  const nearest = nearestTo(minor, name);
  const days = nearest !== undefined && existsSync(file(nearest)) ? (JSON.parse(readFileSync(file(nearest), 'utf8')) as Days) : {};
  if (nearest !== undefined && nearest !== minor) console.log(`kubectl 1.${minor} is compared with what 1.${nearest} said`);
  return {
    older: nearest !== undefined && minor < FIELDS_HIDDEN && nearest >= FIELDS_HIDDEN,
    hold: (title, said, known) => {
      if (recording) days[title] = [...said];
      else expect(differing(said, days[title] ?? [], known)).toEqual([]);
    },
    save: () => {
      if (recording) writeFileSync(file(minor), `${JSON.stringify(days, undefined, 1)}\n`);
    },
  };
}

async function minorVersion(place: Place): Promise<number> {
  const { out } = await kubectl({ line: 'version --client -o json' }, place);
  return Number((JSON.parse(out) as { clientVersion: { minor: string } }).clientVersion.minor.replace(/\D/g, ''));
}

/** The recorded version that is nearest. */
function nearestTo(minor: number, name: string): number | undefined {
  const minors = readdirSync(FOLDER).flatMap((one) => (one.startsWith(`${name}1.`) ? [Number(one.slice(name.length + 2, -'.json'.length))] : []));
  return minors.toSorted((a, b) => Math.abs(a - minor) - Math.abs(b - minor))[0];
}

function differing(said: readonly Said[], before: readonly Said[], known: readonly string[]): { here: Said; there: Said }[] {
  const length = Math.max(said.length, before.length);
  return Array.from({ length }, (_, index) => ({ here: said[index] ?? [], there: before[index] ?? [] }))
    .filter(({ here, there }) => JSON.stringify(here) !== JSON.stringify(there))
    .filter(({ here }) => !known.some((line) => here[0]?.startsWith(`$ kubectl ${line}`)));
}

/** Runs the commands of a day one after the other. @param token the random part of the run's names @param more what else no two runs have in common, as words */
export async function spend(day: readonly Command[], place: Place, token: string, more: (text: string) => string = (text) => text): Promise<Said[]> {
  const said: Said[] = [];
  for (const command of day) {
    const outcome = await kubectl(command, place);
    if (command.until === undefined) said.push(...transcript(command, outcome, (text) => normalLines(more(text), token)));
  }
  return said;
}

function transcript(command: Command, { code, out, err, others }: Outcome, normal: (text: string) => string[]): Said[] {
  const lines = command.quiet === true ? [] : wanted([...normal(out), ...normal(err)], command);
  const then = (command.meanwhile ?? []).flatMap((other, index) => (others[index] === undefined || other.until !== undefined ? [] : transcript(other, others[index], normal)));
  return [[`$ kubectl ${command.line}${code === 0 ? '' : ` -> ${code}`}`, ...lines], ...then];
}

function wanted(lines: readonly string[], { last, before, sorted }: Command): readonly string[] {
  const end = before === undefined ? -1 : lines.findIndex((line) => line.startsWith(before));
  const shown = end < 0 ? lines : lines.slice(0, end);
  const some = last === true ? shown.slice(-1) : shown;
  return sorted === true ? some.toSorted() : some;
}

/** What no two runs have in common becomes words; columns are as wide as what stands in them. */
function normalLines(text: string, token: string): string[] {
  return normalForm(token)
    .text(text)
    .replace(/resourceVersion"?: "\d+"/g, 'resourceVersion: "VERSION"')
    .replace(/\b\d+(s|ms|m|h)(\d+s)?\b/g, 'AGE')
    .replace(/[^\s"]*\/kubectl[-_](edit-\w+|replace_\w+\/resource)\.(yaml|stdin)/g, 'FILE')
    .replace(/\S*\/(LIVE|MERGED)-\d+\/\S*/g, '$1')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC/g, 'TIME')
    .replace(/^([IWE])\d{4} [\d:.]+ +\d+ (\w+\.go):\d+\]/gm, '$1 $2')
    .replace(/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000/g, 'TIME')
    .split('\n')
    .filter((line) => !/^(---|\+\+\+|diff) /.test(line))
    .map((line) => line.replace(/(\S)\s{2,}/g, '$1  ').trimEnd())
    .filter((line) => line !== '');
}
