/** Columns as wide as their widest cell, two spaces apart; a header in capitals. No rows: what to say instead. */
export function textTable(header: readonly string[], rows: readonly (readonly (string | number)[])[], empty = 'none'): string {
  if (rows.length === 0) return `${empty}\n`;
  const cells = [header, ...rows.map((row) => row.map(String))];
  const widths = header.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]): string => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ').trimEnd();
  return `${cells.map(line).join('\n')}\n`;
}

/** `key: value` lines with the values under each other. */
export function textFields(fields: readonly (readonly [string, string | number])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length)) + 1;
  return fields.map(([name, value]) => `${`${name}:`.padEnd(width)} ${value}\n`).join('');
}

/** 1536 -> `1.5 KiB`. */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}
