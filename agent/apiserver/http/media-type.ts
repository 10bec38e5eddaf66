/** In which form the client wants objects (`Accept`, in its order of preference). */
export type Form = 'Object' | 'Table' | 'PartialObjectMetadata';

export interface Wanted {
  readonly form: Form;
  /** For an answer: application/yaml only where the client asks for nothing else. */
  readonly yaml: boolean;
}

export function wantedForm(accept: string): Wanted {
  for (const clause of accept.split(',')) {
    const [type = '', ...parameters] = clause.split(';').map((part) => part.trim());
    const as = parameters.find((part) => part.startsWith('as='))?.slice(3);
    if (type === 'application/json' || type === '*/*' || type === 'application/*' || type === '') {
      if (as === undefined) return { form: 'Object', yaml: false };
      if (as === 'Table' && parameters.includes('v=v1')) return { form: 'Table', yaml: false };
      if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { form: 'PartialObjectMetadata', yaml: false };
    } else if (type === 'application/yaml') {
      return { form: 'Object', yaml: true };
    }
  }
  return { form: 'Object', yaml: false };
}

/** The first type of `Accept`, in its order, that is offered; a wildcard or no `Accept` takes the first offer. */
export function firstAccepted<Type extends string>(accept: string, offers: readonly Type[]): Type | undefined {
  for (const clause of accept.split(',')) {
    const type = clause.split(';')[0]?.trim() ?? '';
    const match = type === '' || type === '*/*' || type === 'application/*' ? offers[0] : offers.find((offer) => offer === type);
    if (match !== undefined) return match;
  }
  return undefined;
}
