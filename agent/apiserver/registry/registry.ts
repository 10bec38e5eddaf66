import { resourceIdOf, type Kind, type ResourceId } from './kind.js';

/** The kinds served now: the built-in table and what CustomResourceDefinitions add. */
export class Registry {
  private readonly builtIn: readonly Kind[];
  private readonly customByCrd = new Map<string, readonly Kind[]>();
  private kindsNow: readonly Kind[];

  constructor(builtIn: readonly Kind[]) {
    this.builtIn = builtIn;
    this.kindsNow = builtIn;
  }

  get kinds(): readonly Kind[] {
    return this.kindsNow;
  }

  /** The kind at a path: `/apis/GROUP/VERSION/.../RESOURCE`. */
  find(group: string, version: string, resource: string): Kind | undefined {
    return this.kindsNow.find((kind) => kind.resource === resource && kind.version === version && kind.group === group);
  }

  /** The kind an in-process caller means; the first version where there are several. */
  byId(id: ResourceId): Kind | undefined {
    return this.kindsNow.find((kind) => resourceIdOf(kind) === id);
  }

  byGroupKind(group: string, name: string): Kind | undefined {
    return this.kindsNow.find((kind) => kind.kind === name && kind.group === group);
  }

  byApiVersionKind(apiVersion: string, name: string): Kind | undefined {
    return this.kindsNow.find((kind) => kind.kind === name && (kind.group === '' ? kind.version : `${kind.group}/${kind.version}`) === apiVersion);
  }

  groups(): readonly string[] {
    return [...new Set(this.kindsNow.map((kind) => kind.group))];
  }

  /** Versions of a group, preferred first. */
  versions(group: string): readonly string[] {
    return [...new Set(this.kindsNow.filter((kind) => kind.group === group).map((kind) => kind.version))];
  }

  /** Replaces what a CustomResourceDefinition serves; an empty list withdraws it. */
  setCustom(crd: string, kinds: readonly Kind[]): void {
    if (kinds.length === 0) this.customByCrd.delete(crd);
    else this.customByCrd.set(crd, kinds);
    this.kindsNow = [...this.builtIn, ...[...this.customByCrd.values()].flat()];
  }
}
