// Reads vitest's JSON reports for .ci/run.
//   again REPORT                 the files that are worth a second run, in a line
//   summary STATUS FIRST SECOND  failures by name and message, then N passed, N failed
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

/** More files than these do not fail by chance. */
const AGAIN = 3;

const [what, ...args] = process.argv.slice(2);
if (what === 'again') again(args[0]);
else summary(Number(args[0]), args.slice(1));

function again(path) {
  const files = existsSync(path) ? resultsOf(path).filter(({ failed }) => failed.length > 0).map(({ file }) => file) : [];
  if (files.length <= AGAIN) process.stdout.write(files.join(' '));
}

function summary(status, paths) {
  const [first, second] = paths.map((path) => (existsSync(path) ? resultsOf(path) : undefined));
  const later = new Map(second?.map((result) => [result.file, result]));
  const results = first?.map((result) => later.get(result.file) ?? result) ?? [];
  const failures = results.flatMap(({ failed }) => failed);
  // What stands at the end is seen where a log is cut.
  const chance = (first ?? []).filter(({ file }) => later.has(file)).flatMap(({ failed }) => failed.filter(({ name }) => !failures.some((one) => one.name === name)));
  for (const { name, why } of chance) console.log(`passed only by itself: ${name}: ${why}`);
  for (const { name, why } of failures.slice(0, 12)) console.log(`${name}: ${why}`);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  console.log(`${passed} passed, ${status === 0 && passed > 0 ? 0 : Math.max(1, failures.length)} failed`);
}

/** Per file: how many tests passed, and what failed (the file itself where it could not run). */
function resultsOf(path) {
  return JSON.parse(readFileSync(path, 'utf8')).testResults.map(({ name, status, message, assertionResults }) => {
    const file = relative(process.cwd(), name);
    const failed = assertionResults.filter((one) => one.status === 'failed').map((one) => ({ name: `${file} > ${one.fullName}`, why: plain(one.failureMessages.join(' ')) }));
    if (status === 'failed' && failed.length === 0) failed.push({ name: file, why: plain(message) });
    return { file, passed: assertionResults.filter((one) => one.status === 'passed').length, failed };
  });
}

function plain(text) {
  // eslint-disable-next-line no-control-regex
  return text.replace(/\u001b\[[0-9;]*m/g, '').replace(/\s+/g, ' ').slice(0, 900);
}
