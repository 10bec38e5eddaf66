/**
 * Paths of fields that a JSON text gives twice in one object, which
 * JSON.parse passes over. The text is known to be valid JSON.
 */
export function duplicateFields(text: string): string[] {
  const duplicates: string[] = [];
  /** Per open object: the keys seen; per open array: the next index. */
  const stack: { readonly keys?: Set<string>; index: number; readonly path: string }[] = [];
  let key = '';
  let expectsKey = false;
  for (const { 0: token } of text.matchAll(TOKEN)) {
    const top = stack.at(-1);
    if (token === '{' || token === '[') {
      const path = top === undefined ? '' : top.keys ? join(top.path, key) : `${top.path}[${top.index}]`;
      stack.push(token === '{' ? { keys: new Set(), index: 0, path } : { index: 0, path });
      expectsKey = token === '{';
    } else if (token === '}' || token === ']') {
      stack.pop();
      expectsKey = false;
    } else if (token === ',') {
      if (top !== undefined) top.index++;
      expectsKey = top?.keys !== undefined;
    } else if (expectsKey && top?.keys !== undefined) {
      key = JSON.parse(token) as string;
      if (top.keys.has(key)) duplicates.push(join(top.path, key));
      top.keys.add(key);
      expectsKey = false;
    }
  }
  return duplicates;
}

/** Strings and structure; numbers and literals do not matter. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);
