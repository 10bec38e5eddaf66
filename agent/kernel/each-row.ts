/** Runs a step for each row: one outcome a row, a failure stops no other. */
export function eachRow<T>(rows: readonly T[], step: (row: T) => void): (Error | undefined)[] {
  return rows.map((row) => {
    try {
      step(row);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  });
}
