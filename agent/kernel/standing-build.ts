import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { closeFd, mapInfo, openPinned, programInfo } from './pins.js';

/**
 * Says which build the pins below a directory come from, so that a restart with
 * the same object need not load it and have it verified again. A bpffs holds
 * no files, so it is the name of an empty directory: the hash of the object's
 * bytes, the sizes asked for, and the kernel's ids of every pinned map and
 * program. Ids are never used twice while the kernel runs, and a bpffs does not
 * outlive it; so whoever puts anything else in place of a pin makes the name wrong.
 */
export class StandingBuild {
  readonly #directory: string;
  readonly #content: string;

  /** @param maps names of the object's maps, pinned in `pinDir`; its programs are pinned in `programDir` */
  constructor(private readonly options: { readonly path: string; readonly pinDir: string; readonly programDir: string; readonly maps: readonly string[]; readonly mapSizes: Readonly<Record<string, number>> }) {
    this.#directory = join(options.pinDir, 'builds', basename(options.path, '.o'));
    this.#content = createHash('sha256').update(readFileSync(options.path)).update(JSON.stringify(Object.entries(options.mapSizes).sort())).digest('hex');
  }

  /** Whether all pins are as they were noted. */
  stands(): boolean {
    const name = this.#name();
    return name !== undefined && this.#noted().includes(name);
  }

  /** Before any pin is touched: whatever becomes of this start, the next one loads. */
  forget(): void {
    for (const name of this.#noted()) rmdirSync(join(this.#directory, name));
  }

  /** When every pin is in its place. */
  note(): void {
    const name = this.#name();
    if (name !== undefined) mkdirSync(join(this.#directory, name), { recursive: true, mode: 0o700 });
  }

  #noted(): string[] {
    try {
      return readdirSync(this.#directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  /** Undefined where a map is not pinned, or no program is. */
  #name(): string | undefined {
    const { pinDir, programDir, maps } = this.options;
    const hash = createHash('sha256').update(this.#content);
    for (const map of [...maps].sort()) {
      const id = idOf(join(pinDir, map), mapInfo);
      if (id === undefined) return undefined;
      hash.update(`map ${map} ${id}\n`);
    }
    const programs = readdirSync(programDir).sort();
    for (const program of programs) hash.update(`program ${program} ${idOf(join(programDir, program), programInfo)}\n`);
    return programs.length === 0 ? undefined : hash.digest('hex').slice(0, 32);
  }
}

function idOf(path: string, info: (fd: number) => { readonly id: number }): number | undefined {
  const fd = openPinned(path);
  if (fd === undefined) return undefined;
  try {
    return info(fd).id;
  } finally {
    closeFd(fd);
  }
}
