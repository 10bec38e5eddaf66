import { CanalError } from '../../base/errors.js';

export const DEFAULT_ANNOTATION_PREFIX = 'flannel.alpha.coreos.com';

/**
 * `--kube-annotation-prefix` as flannel completes it: what stands before
 * `backend-data` and the others in an annotation's key (compat.md 1.1). Throws
 * CanalError CONFIG for what flannel refuses too.
 */
export function normalizeAnnotationPrefix(prefix: string): string {
  const refuse = (why: string): never => {
    throw new CanalError('CONFIG', `annotation prefix "${prefix}" ${why}`, { subject: 'kube-annotation-prefix' });
  };
  const slashes = prefix.split('/').length - 1;
  if (slashes > 1) refuse('has more than one slash');
  const complete = slashes === 0 ? `${prefix}/` : /[/-]$/.test(prefix) ? prefix : `${prefix}-`;
  if (!/^(?:[a-z0-9_-]+\.)+[a-z0-9_-]+\/(?:[a-z0-9_-]+-)?$/.test(complete)) refuse('is not a domain with an optional name');
  return complete;
}
