import type { Namespace } from '../../model/objects.js';
import { fields, Problems, text, type Decoder } from './field.js';
import type { Interner } from './intern.js';

/** core/v1 Namespace. */
export function namespaceDecoder(intern: Interner): Decoder<Namespace> {
  return (raw) => {
    const metadata = fields(fields(raw)['metadata']);
    const name = intern.string(text(metadata['name']));
    const problems = new Problems(`Namespace ${name}`);
    const labels = intern.labels(metadata['labels'], 'metadata.labels', problems);
    return { value: { name, labels }, problems: problems.found };
  };
}
