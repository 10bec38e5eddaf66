import { listAt, type Fields } from '../kube-object.js';
import { fieldError, invalid, type FieldError } from '../status.js';
import { flagParameter } from './exchange.js';

export type OptionsKind = 'CreateOptions' | 'UpdateOptions' | 'PatchOptions';

const LONGEST_MANAGER = 128;
const VALIDATIONS = ['', 'Ignore', 'Strict', 'Warn'];

/** What a write may ask for (apimachinery `apis/meta/v1/validation`). @param apply whether it is a server-side apply @throws ApiError 422 */
export function checkWriteOptions(kind: OptionsKind, query: URLSearchParams, apply = false): void {
  const validation = query.get('fieldValidation') ?? '';
  const errors = [...(kind === 'PatchOptions' ? patchErrors(query, apply) : []), ...managerErrors(query.get('fieldManager') ?? ''), ...dryRunErrors(query.getAll('dryRun'))];
  if (!VALIDATIONS.includes(validation)) errors.push(fieldError.notSupported('fieldValidation', validation, VALIDATIONS));
  if (errors.length > 0) throw invalid('meta.k8s.io', kind, '', errors);
}

function patchErrors(query: URLSearchParams, apply: boolean): FieldError[] {
  if (apply) return (query.get('fieldManager') ?? '') === '' ? [fieldError.required('fieldManager', 'is required for apply patch')] : [];
  return flagParameter(query, 'force') ? [fieldError.forbidden('force', 'may not be specified for non-apply patch')] : [];
}

function managerErrors(manager: string): FieldError[] {
  const unprintable = [...manager].findIndex((character) => /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character));
  return [
    ...(Buffer.byteLength(manager) > LONGEST_MANAGER ? [fieldError.tooLong('fieldManager', LONGEST_MANAGER)] : []),
    ...(unprintable < 0 ? [] : [fieldError.invalid('fieldManager', manager, `invalid character U+${(manager.codePointAt(unprintable) ?? 0).toString(16).toUpperCase().padStart(4, '0')} (at position ${unprintable})`)]),
  ];
}

/** All or nothing: `All`, as a parameter or in the options of a deletion. */
export function dryRunErrors(given: readonly string[]): FieldError[] {
  if (given.every((one) => one === 'All')) return [];
  return [{ type: 'NotSupported', field: 'dryRun', message: `Unsupported value: []string{${given.map((one) => JSON.stringify(one)).join(', ')}}: supported values: "All"` }];
}

/** @param options of a deletion: those of its body count before those of its query */
export function isDryRun(query: URLSearchParams, options: Fields = {}): boolean {
  return [...query.getAll('dryRun'), ...listAt(options, 'dryRun')].includes('All');
}
