import { isFields, type Fields } from '../kube-object.js';
import { decode } from '../schema/decode.js';
import { modelSchema } from '../schema/model-schema.js';
import { ApiError, badRequest, fieldError, invalid, unclassified, type FieldError } from '../status.js';
import type { DeleteOptions } from '../verbs/delete.js';
import { readBody } from './body.js';
import { flagParameter, type Exchange } from './exchange.js';
import { dryRunErrors, isDryRun } from './write-options.js';

const POLICIES = ['Foreground', 'Background', 'Orphan'];

/** Of a deletion's body or query. @throws ApiError 400, 422, and 500 without a reason for a body that cannot be read, as the real server */
export async function deleteOptions(exchange: Exchange): Promise<DeleteOptions> {
  return checkedDeleteOptions(decoded(await bodyOf(exchange)), exchange.query);
}

async function bodyOf({ request }: Exchange): Promise<unknown> {
  try {
    return (await readBody(request)).value;
  } catch (error) {
    if (error instanceof ApiError && error.code === 400) throw unclassified(error.message.replace(/^the object provided is unrecognized \(.*?\): /, ''));
    throw error;
  }
}

function decoded(value: unknown): Fields {
  if (value === undefined || value === null) return {};
  if (!isFields(value)) throw unclassified(`couldn't get version/kind; json parse error: json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`);
  const { kind = 'DeleteOptions', apiVersion = 'v1' } = value;
  if (kind !== 'DeleteOptions') throw unclassified(`no kind "${String(kind)}" is registered for version "${String(apiVersion)}" in scheme "pkg/runtime/scheme.go:110"`);
  try {
    return decode(value, modelSchema('V1DeleteOptions')).value;
  } catch (error) {
    throw error instanceof ApiError ? unclassified(error.message) : error;
  }
}

/** @param given of the body, already decoded  @throws ApiError 400, 422 */
export function checkedDeleteOptions(given: Fields, query: URLSearchParams): DeleteOptions {
  const grace = given['gracePeriodSeconds'] ?? numberOf(query.get('gracePeriodSeconds'));
  const policy = (given['propagationPolicy'] ?? query.get('propagationPolicy') ?? '') as string;
  const orphans = (given['orphanDependents'] as boolean | undefined) ?? (query.has('orphanDependents') ? flagParameter(query, 'orphanDependents') : undefined);
  const errors: FieldError[] = [...dryRunErrors([...query.getAll('dryRun'), ...((given['dryRun'] as string[] | undefined) ?? [])])];
  if (policy !== '' && orphans !== undefined) errors.push(fieldError.invalid('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set'));
  else if (policy !== '' && !POLICIES.includes(policy)) errors.push(fieldError.notSupported('propagationPolicy', policy, [...POLICIES, 'nil']));
  if (errors.length > 0) throw invalid('meta.k8s.io', 'DeleteOptions', '', errors);
  const propagationPolicy = policy === '' ? (orphans === true ? 'Orphan' : orphans === false ? 'Background' : undefined) : policy;
  return {
    ...(typeof grace === 'number' ? { gracePeriodSeconds: grace < 0 ? 1 : grace } : {}),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(isFields(given['preconditions']) ? { preconditions: given['preconditions'] } : {}),
    dryRun: isDryRun(query, given),
  };
}

function numberOf(text: string | null): number | undefined {
  if (text === null || text === '') return undefined;
  if (!/^[+-]?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}
