import type { Fields } from '../kube-object.js';
import { badRequest, fieldError, invalid, type FieldError } from '../status.js';

/** What a list may ask for (apimachinery `meta/internalversion/validation`). @throws ApiError 400, 422 */
export function checkListOptions(query: URLSearchParams): void {
  const limit = query.get('limit') ?? '';
  if (limit !== '' && !/^-?\d+$/.test(limit)) throw badRequest(`strconv.ParseInt: parsing "${limit}": invalid syntax`);
  const [match, version] = [query.get('resourceVersionMatch') ?? '', query.get('resourceVersion') ?? ''];
  const errors: FieldError[] = [];
  if (match !== '') {
    if (version === '') errors.push(fieldError.forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided'));
    if (query.get('continue')) errors.push(fieldError.forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden when continue is provided'));
    if (match !== 'Exact' && match !== 'NotOlderThan') errors.push(fieldError.notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
    if (match === 'Exact' && version === '0') errors.push(fieldError.forbidden('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  if (query.has('sendInitialEvents')) errors.push(fieldError.forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  refuse(errors);
}

/** The same of a watch. @throws ApiError 422 */
export function checkWatchOptions(query: URLSearchParams): void {
  const match = query.get('resourceVersionMatch') ?? '';
  const errors: FieldError[] = [];
  if (query.has('sendInitialEvents')) {
    if (match !== 'NotOlderThan') errors.push(fieldError.forbidden('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'));
    if (match !== '' && match !== 'NotOlderThan') errors.push(fieldError.notSupported('resourceVersionMatch', match, ['NotOlderThan']));
  } else if (match !== '') {
    errors.push(fieldError.forbidden('resourceVersionMatch', 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'));
  }
  refuse(errors);
}

const POLICIES = ['Foreground', 'Background', 'Orphan'];

/** What a deletion may ask for. @throws ApiError 400, 422 */
export function checkDeleteOptions(given: Fields, query: URLSearchParams): void {
  const grace = given['gracePeriodSeconds'] ?? query.get('gracePeriodSeconds') ?? 0;
  if (!/^-?\d+$/.test(JSON.stringify(grace).replaceAll('"', ''))) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(grace)}: invalid syntax`);
  const policy = given['propagationPolicy'] ?? query.get('propagationPolicy') ?? '';
  const errors: FieldError[] = [];
  if (policy !== '' && given['orphanDependents'] !== undefined) errors.push(fieldError.invalid('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set'));
  else if (policy !== '' && !POLICIES.some((one) => one === policy)) errors.push(fieldError.notSupported('propagationPolicy', policy, [...POLICIES, 'nil']));
  if (errors.length > 0) throw invalid('meta.k8s.io', 'DeleteOptions', '', errors);
}

function refuse(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid('meta.k8s.io', 'ListOptions', '', errors);
}
