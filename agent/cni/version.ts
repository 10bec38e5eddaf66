import { CniCode, CniError } from './cni-error.js';

/** Versions of the CNI specification that requests may use; the plugin binary prints the same list. */
export const SUPPORTED_VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
export type CniVersion = (typeof SUPPORTED_VERSIONS)[number];

/** What a configuration without cniVersion means (as for Calico's plugin, compat.md 5.4). */
const VERSION_WHEN_ABSENT: CniVersion = '0.2.0';

/** The first version that has a verb. */
const INTRODUCED: Readonly<Record<string, CniVersion>> = { CHECK: '0.4.0', GC: '1.1.0', STATUS: '1.1.0' };

/** Throws code 1 for a version that is not supported and code 7 for what is no version. */
export function parseVersion(value: unknown): CniVersion {
  if (value === undefined || value === '') return VERSION_WHEN_ABSENT;
  if (typeof value !== 'string') throw new CniError(CniCode.INVALID_CONFIG, 'cniVersion: not a string');
  const known = SUPPORTED_VERSIONS.find((version) => version === value);
  if (known !== undefined) return known;
  throw new CniError(CniCode.INCOMPATIBLE_VERSION, `cniVersion: ${JSON.stringify(value.slice(0, 32))} is not supported`, `supported: ${SUPPORTED_VERSIONS.join(', ')}`);
}

export function atLeast(version: CniVersion, other: CniVersion): boolean {
  return SUPPORTED_VERSIONS.indexOf(version) >= SUPPORTED_VERSIONS.indexOf(other);
}

/** Throws code 1 where the configuration's version has no such verb. */
export function requireVerb(version: CniVersion, verb: string): void {
  const since = INTRODUCED[verb];
  if (since !== undefined && !atLeast(version, since)) {
    throw new CniError(CniCode.INCOMPATIBLE_VERSION, `cniVersion: ${version} does not have ${verb}`, `since ${since}`);
  }
}

/** The VERSION answer, for callers that ask the agent instead of the binary. */
export function versionAnswer(): object {
  return { cniVersion: '1.1.0', supportedVersions: SUPPORTED_VERSIONS };
}
