import { labelValue, qualifiedName } from '../registry/name-rules.js';
import { badRequest } from '../status.js';

export interface Requirement {
  readonly key: string;
  readonly operator: 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';
  readonly values: readonly string[];
}

/** Grammar of apimachinery `labels.Parse`: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`. @throws ApiError 400 in its words */
export function parseLabelSelector(text: string): Requirement[] {
  return new Parser(text.match(TOKENS) ?? []).requirements();
}

const TOKENS = /==|!=|[=!(),<>]|[^\s=!(),<>]+/g;
const SYMBOL = /^[=!(),<>]/;
const OPERATORS: Readonly<Record<string, Requirement['operator']>> = { in: 'in', notin: 'notin', '=': 'in', '==': 'in', '!=': 'notin', '>': 'gt', '<': 'lt' };

/** `in` and `notin` are names, too, where no operator can stand. The end is an empty token. */
class Parser {
  private at = 0;

  constructor(private readonly tokens: readonly string[]) {}

  requirements(): Requirement[] {
    const found: Requirement[] = [];
    while (this.next !== '') {
      if (!isName(this.next) && this.next !== '!') throw expected(this.next, `!, identifier, or 'end of string'`);
      found.push(this.requirement());
      const after = this.take();
      if (after === '') break;
      if (after !== ',') throw expected(after, `',' or 'end of string'`);
      if (!isName(this.next) && this.next !== '!') throw expected(this.next, `identifier after ','`);
    }
    return found;
  }

  private get next(): string {
    return this.tokens[this.at] ?? '';
  }

  private take(): string {
    const token = this.next;
    this.at++;
    return token;
  }

  private requirement(): Requirement {
    const absent = this.next === '!';
    if (absent) this.at++;
    const key = this.take();
    if (!isName(key)) throw inRequirement(expected(key, 'identifier'));
    const [wrong] = qualifiedName(key);
    if (wrong !== undefined) throw badRequest(`unable to parse requirement: <nil>: Invalid value: "${key}": ${qualifiedName(key).join('; ')}`);
    if (absent) return { key, operator: '!', values: [] };
    if (this.next === '' || this.next === ',') return { key, operator: 'exists', values: [] };
    const sign = this.take();
    const operator = OPERATORS[sign];
    if (operator === undefined) throw inRequirement(expected(sign, 'in, notin, =, ==, !=, gt, lt'));
    const values = sign === 'in' || sign === 'notin' ? this.values() : [this.value()];
    checkValues(key, operator, values);
    return { key, operator, values };
  }

  private value(): string {
    if (this.next === '' || this.next === ',') return '';
    const value = this.take();
    if (!isName(value)) throw inRequirement(expected(value, 'identifier'));
    return value;
  }

  /** `(a,b)`; what stands between two commas may be nothing. */
  private values(): string[] {
    const open = this.take();
    if (open !== '(') throw badRequest(`unable to parse requirement: found '${open}' expected: '('`);
    if (!isName(this.next) && this.next !== ',' && this.next !== ')') throw inRequirement(expected(this.next, `',', ')' or identifier`));
    const values: string[] = [];
    for (;;) {
      values.push(isName(this.next) ? this.take() : '');
      const after = this.take();
      if (after === ')') return [...new Set(values)].toSorted();
      if (after !== ',') throw inRequirement(expected(after, `',' or ')'`));
    }
  }
}

const isName = (token: string): boolean => token !== '' && !SYMBOL.test(token);
const expected = (token: string, what: string): Error => badRequest(`found '${token}', expected: ${what}`);
const inRequirement = ({ message }: Error): Error => badRequest(`unable to parse requirement: ${message}`);

function checkValues(key: string, operator: Requirement['operator'], values: readonly string[]): void {
  const wrong = values.flatMap((value, index) => {
    const compared = operator === 'gt' || operator === 'lt';
    const number = compared && !/^[+-]?\d+$/.test(value) ? [`values[${index}]: Invalid value: "${value}": for 'Gt', 'Lt' operators, the value must be an integer`] : [];
    const why = labelValue(value);
    return [...number, ...(why.length > 0 ? [`values[${index}][${key}]: Invalid value: "${value}": ${why.join('; ')}`] : [])];
  });
  if (wrong.length > 0) throw badRequest(`unable to parse requirement: ${wrong.length === 1 ? (wrong[0] ?? '') : `[${wrong.join(', ')}]`}`);
}
