/**
 * Paths of fields that a JSON text gives twice in one object, which
 * JSON.parse passes over. The text is known to be valid JSON.
 */
export function duplicateFields(text: string): string[] {
  return [...fieldsIn(text)].flatMap(({ path, again }) => (again ? [path] : []));
}

/** Where each field of a JSON text stands among the others, the second of two of one name by `again PATH`. */
export function placesOf(text: string): ReadonlyMap<string, number> {
  return new Map([...fieldsIn(text)].map(({ path, again }, index) => [again ? `again ${path}` : path, index]));
}

function* fieldsIn(text: string): Generator<{ path: string; again: boolean }> {
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
      yield { path: join(top.path, key), again: top.keys.has(key) };
      top.keys.add(key);
      expectsKey = false;
    }
  }
}

/** Strings and structure; numbers and literals do not matter. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);
