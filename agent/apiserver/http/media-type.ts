import { ApiError } from '../status.js';

/** In which form the client wants objects (`Accept`, in its order of preference). */
export type Form = 'Object' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';

const JSON_TYPE = 'application/json';
const YAML_TYPE = 'application/yaml';
/** Whoever asks for it takes JSON too, in practice: it is answered in JSON. */
const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';
const OFFERED = [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE];
const FORMS: readonly Form[] = ['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'];

/** @throws ApiError 406 where nothing that is accepted can be given */
export function wantedForm(accept: string): Form {
  const clauses = clausesOf(accept);
  if (clauses.length === 0) return 'Object';
  if (!clauses.some(({ type }) => type === '*/*' || OFFERED.includes(type))) throw new ApiError(406, 'NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${OFFERED.join(', ')}`);
  for (const { type, parameters } of clauses) {
    if (type !== '*/*' && type !== 'application/*' && !OFFERED.includes(type)) continue;
    const as = parameters.get('as');
    if (as === undefined) return 'Object';
    const form = FORMS.find((one) => one === as);
    if (form !== undefined && parameters.get('g') === 'meta.k8s.io' && parameters.get('v') === 'v1') return form;
  }
  throw new ApiError(406, 'NotAcceptable', `only the following media types are accepted: ${OFFERED.join(', ')}`);
}

/** Whether YAML comes before JSON. */
export function prefersYaml(accept: string): boolean {
  return clausesOf(accept).find(({ type }) => type === '*/*' || OFFERED.includes(type))?.type === YAML_TYPE;
}

interface Clause {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
}

function clausesOf(accept: string): Clause[] {
  if (accept.trim() === '') return [];
  return accept.split(',').map((clause) => {
    const [type = '', ...parameters] = clause.split(';').map((part) => part.trim());
    return { type, parameters: new Map(parameters.map((one) => [one.replace(/=.*/, ''), one.replace(/^[^=]*=?/, '')])) };
  });
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
