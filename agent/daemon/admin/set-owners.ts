import type { ServiceCompiler } from '../../compile/services/compiler.js';

/** Whose each set of backends is, `NAMESPACE/NAME`: a Service's, or a Pod's for a hostPort. */
export function setOwners(compiler: ServiceCompiler): ReadonlyMap<bigint, string> {
  const owners = new Map<bigint, string>();
  for (const all of [compiler.compiled, compiler.hostPorts()]) {
    for (const [name, { sets }] of all) for (const { id } of sets.values()) owners.set(id, name);
  }
  return owners;
}
