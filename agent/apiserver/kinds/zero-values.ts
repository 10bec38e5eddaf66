import { isFields, type Fields } from '../kube-object.js';

/** Sets each field that is absent. */
export function setMissing(target: Fields, values: Fields): void {
  for (const [name, value] of Object.entries(values)) if (target[name] === undefined) target[name] = structuredClone(value);
}

/** The object in a field, which is made where it is absent. */
export function fieldsOf(target: Fields, name: string): Fields {
  const found = target[name];
  if (isFields(found)) return found;
  const made: Fields = {};
  target[name] = made;
  return made;
}

/** Sets a status at creation: controllers write it later, and a client's is not heeded. */
export function startStatus(status: Fields): (draft: Fields) => void {
  return (draft) => {
    draft['status'] = structuredClone(status);
  };
}
