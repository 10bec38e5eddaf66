import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { markdown } from '../../lab/truth-table.js';

it('the README has the table of source addresses that the lab proves', () => {
  const readme = readFileSync(new URL('../../../agent/compile/services/README.md', import.meta.url), 'utf8');
  expect(readme).toContain(`\n${markdown()}\n`);
});
