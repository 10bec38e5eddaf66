/** Objects as one stream that kubectl reads. */
export function manifestText(objects: readonly object[]): string {
  return objects.map((object) => JSON.stringify(object)).join('\n---\n');
}
