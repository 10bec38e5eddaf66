import { isIPv6 } from 'node:net';
import { Cidr, IpAddress } from '../../base/address.js';
import { fieldError, type FieldError } from '../status.js';

export const NOT_ADDRESS = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
export const NOT_CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

const SPECIAL: readonly [why: string, ...ranges: string[]][] = [
  ['may not be unspecified (0.0.0.0)', '0.0.0.0/32'],
  ['may not be unspecified (::)', '::/128'],
  ['may not be in the loopback range (127.0.0.0/8, ::1/128)', '127.0.0.0/8', '::1/128'],
  ['may not be in the link-local range (169.254.0.0/16, fe80::/10)', '169.254.0.0/16', 'fe80::/10'],
  ['may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)', '224.0.0.0/24', 'ff02::/16'],
];

/** An address that traffic from elsewhere can have (validation.ValidateNonSpecialIP). */
export function ordinaryAddressErrors(text: string, field: string): FieldError[] {
  const address = IpAddress.parse(text);
  if (address === undefined) return [fieldError.invalid(field, text, NOT_ADDRESS)];
  return SPECIAL.filter(([, ...ranges]) => ranges.some((range) => Cidr.parse(range)?.contains(address) === true)).map(([why]) => fieldError.invalid(field, text, why));
}

/** What apimachinery's GetWarningsForCIDR says of a prefix that is taken, but will not be for ever. */
export function cidrWarnings(text: string, field: string): string[] {
  const cidr = Cidr.parseSloppy(text);
  if (cidr === undefined) return [];
  const host = text.slice(0, text.lastIndexOf('/'));
  const strict = Cidr.parse(text) !== undefined && !(isIPv6(host) && cidr.family === 4) && !/\/0\d/.test(text);
  const address = Cidr.parseSloppy(`${host}/${isIPv6(host) ? 128 : 32}`)?.address ?? cidr.address;
  const ambiguous = address.text === cidr.address.text ? [] : [`${field}: CIDR value ${JSON.stringify(text)} is ambiguous in this context (should be ${JSON.stringify(cidr.text)} or "${address.text}/${cidr.family === 4 ? 32 : 128}"?)`];
  const old = strict ? [] : [`${field}: non-standard CIDR value ${JSON.stringify(text)} will be considered invalid in a future Kubernetes release: use ${JSON.stringify(cidr.text)}`];
  const long = strict && cidr.family === 6 && ambiguous.length === 0 && text !== cidr.text ? [`${field}: IPv6 CIDR value ${JSON.stringify(text)} should be in RFC 5952 canonical format (${JSON.stringify(cidr.text)})`] : [];
  return [...ambiguous, ...old, ...long];
}
