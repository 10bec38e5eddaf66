import type { PodApi, PodMeta } from '../cni/annotate.js';
import { isConflict, isMissing } from '../datastore/api-error.js';
import type { KubeClient } from '../datastore/client.js';
import { fields, text } from '../datastore/decode/field.js';
import { PODS } from '../datastore/resource.js';

/** The Calico plugin's field manager, so that a cluster's history of the annotations stays one (compat.md 14). */
const WRITE = { subresource: 'status', fieldManager: 'calico' };

/** What CNI's annotations need of the API server. */
export function createPodApi(client: KubeClient): PodApi {
  return {
    async read(namespace, name) {
      try {
        return metaOf(fields((await client.get(PODS, { namespace, name }))['metadata']));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async patchStatus(namespace, name, body) {
      try {
        await client.patch(PODS, { namespace, name }, 'strategic', body, WRITE);
        return 'done';
      } catch (error) {
        if (isMissing(error)) return 'not-found';
        if (isConflict(error)) return 'conflict';
        throw error;
      }
    },
  };
}

function metaOf(metadata: Readonly<Record<string, unknown>>): PodMeta {
  const annotations = Object.entries(fields(metadata['annotations'])).map(([key, value]): [string, string] => [key, text(value)]);
  return { uid: text(metadata['uid']), resourceVersion: text(metadata['resourceVersion']), annotations: Object.fromEntries(annotations) };
}
