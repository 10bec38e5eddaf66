import { expect, it } from 'vitest';
import { parseNetwork } from '../../../agent/lab/kubelet/cni-config.js';

it('a network is spoken in the newest version of CNI that it offers and that is known', () => {
  const offering = (versions: unknown): string | undefined => parseNetwork('x', JSON.stringify({ cniVersion: '1.0.0', cniVersions: versions, name: 'n', type: 'canal' }))?.cniVersion;
  expect([['1.0.0', '1.1.0'], ['9.0.0', '1.1.0'], ['0.3.1'], undefined, '1.1.0'].map(offering)).toEqual(['1.1.0', '1.1.0', '1.0.0', '1.0.0', '1.0.0']);
});
