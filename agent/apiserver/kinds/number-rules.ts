import { fieldError, type FieldError } from '../status.js';

export const notNegative = (value: number | undefined, field: string): FieldError[] => ((value ?? 0) < 0 ? [fieldError.invalid(field, value, 'must be greater than or equal to 0')] : []);
export const positive = (value: number | undefined, field: string): FieldError[] => ((value ?? 1) <= 0 ? [fieldError.invalid(field, value, 'must be greater than 0')] : []);
