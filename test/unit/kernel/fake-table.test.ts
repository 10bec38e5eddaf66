import { tableContract } from '../../kernel/table-contract.js';
import { FakeTable } from '../../support/fake-table.js';

tableContract('fake', () => {
  const table = new FakeTable<string, number>({ name: 'fake' });
  table.faults.set('bad', 22);
  return {
    table,
    rows: [{ key: 'a', row: 1 }, { key: 'b', row: 2 }, { key: 'c', row: 3 }],
    changed: { key: 'a', row: 4 },
    refused: { key: 'bad', row: 5 },
  };
});
