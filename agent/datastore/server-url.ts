import { CanalError } from '../base/errors.js';

/** The URL of a server; CanalError CONFIG names `subject` when it is none. */
export function parseServer(text: string, subject: string): URL {
  const withScheme = /^[a-z]+:\/\//i.test(text) ? text : `https://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    throw new CanalError('CONFIG', `${subject}: not an http or https URL: ${text}`, { subject });
  }
  return url;
}
