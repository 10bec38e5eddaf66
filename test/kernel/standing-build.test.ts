import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BpfObject, mountBpffs } from '../../agent/kernel/bpf-object.js';
import { mapInfo } from '../../agent/kernel/pins.js';
import { takeNamespace } from '../support/own-namespace.js';

/** A small one: what is pinned is the same for any, and the verifier is quick with it. */
const SOURCE = `
#include "kernel.h"
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} canal_seen SEC(".maps");

SEC("tc")
int canal_look(struct __sk_buff *skb)
{
	__u32 mark = skb->mark;

	return bpf_map_lookup_elem(&canal_seen, &mark) ? TC_ACT_OK : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
`;
let pinDir = '';
let files = '';

beforeAll(async () => {
  await takeNamespace();
  mountBpffs('/sys/fs/bpf');
  files = mkdtempSync(join(tmpdir(), 'canal-standing-'));
  writeFileSync(join(files, 'small.bpf.c'), SOURCE);
});
afterAll(() => rmSync(files, { recursive: true }));
beforeEach(() => {
  pinDir = mkdtempSync('/sys/fs/bpf/standing-');
  execFileSync('clang', ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', '-Ibpf', '-Ibuild/bpf', '-c', join(files, 'small.bpf.c'), '-o', object()]);
});
afterEach(() => rmSync(pinDir, { recursive: true }));

const object = (): string => join(files, 'small.o');

/** What a start finds or makes: whether it stood, and the ids of everything. */
function start(mapSizes: Record<string, number> = {}): { readonly stood: boolean; readonly ids: readonly number[] } {
  const loaded = BpfObject.load({ path: object(), pinDir, mapSizes });
  const maps = loaded.maps().map(({ name }) => mapInfo(loaded.map(name)).id);
  const programs = readdirSync(join(pinDir, 'programs', 'small')).map((name) => loaded.program(name).id);
  loaded.close();
  return { stood: loaded.stood, ids: [...maps, ...programs] };
}

describe('a start', () => {
  it('takes what the last one with the same object pinned, program by program and map by map, and loads nothing', () => {
    const first = start();
    const second = start();
    expect([first.stood, second.stood]).toEqual([false, true]);
    expect(second.ids).toEqual(first.ids);
  });

  it('loads where the object is another, be it by a byte, or maps are to be of another size', () => {
    start();
    appendFileSync(object(), '\0');
    expect([start().stood, start().stood]).toEqual([false, true]);
    expect([start({ canal_seen: 64 }).stood, start({ canal_seen: 64 }).stood]).toEqual([false, true]);
  });

  it('loads where a pin is gone or in the place of another, and mends it', () => {
    const { ids } = start();
    rmSync(join(pinDir, 'canal_seen'));
    const mended = start();
    expect(mended.stood).toBe(false);
    expect(mended.ids).not.toEqual(ids);
    rmSync(join(pinDir, 'programs', 'small', 'canal_look'));
    expect([start().stood, start().stood]).toEqual([false, true]);
  });

  it('loads after one that did not come to its end', () => {
    start();
    const builds = join(pinDir, 'builds', 'small');
    for (const note of readdirSync(builds)) rmdirSync(join(builds, note));
    expect([start().stood, start().stood]).toEqual([false, true]);
  });
});
