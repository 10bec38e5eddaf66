import { CanalError } from '../base/errors.js';

/** Six bytes as `aa:bb:cc:dd:ee:ff`. */
export function macText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** The bytes of a MAC; six zeros for the empty string. */
export function macBytes(text: string): Uint8Array {
  if (text === '') return new Uint8Array(6);
  const bytes = Uint8Array.from(text.split(':'), (part) => parseInt(part, 16));
  if (bytes.length !== 6 || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) throw new CanalError('INTERNAL', 'not a MAC address', { subject: text });
  return bytes;
}
