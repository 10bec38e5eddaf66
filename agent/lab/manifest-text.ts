/**
 * Objects as one stream that every kubectl reads: YAML documents. The first
 * line says so; text that begins with `{` is JSON to kubectl, which before 1.21
 * then stumbles over the separator.
 */
export function manifestText(objects: readonly object[]): string {
  return objects.map((object) => `---\n${JSON.stringify(object)}\n`).join('');
}
