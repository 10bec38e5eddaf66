import { describe, expect, it } from 'vitest';
import { findCgroup } from '../../../agent/kernel/socket-table.js';

const line = (root: string, path: string, type = 'cgroup2'): string => `36 25 0:30 ${root} ${path} rw,nosuid shared:9 - ${type} ${type} rw`;
const find = (lines: readonly string[], hidden: readonly string[] = []): string | undefined => findCgroup(lines.join('\n'), (path) => !hidden.includes(path));

describe('the node\'s cgroup', () => {
  it.each<[string, string[], string[], string | undefined]>([
    ['is where cgroup2 is mounted', [line('/', '/', 'ext4'), line('/', '/sys/fs/cgroup')], [], '/sys/fs/cgroup'],
    ['is the unified one beside v1', [line('/', '/sys/fs/cgroup/cpu', 'cgroup'), line('/', '/sys/fs/cgroup/unified')], [], '/sys/fs/cgroup/unified'],
    ['is no mount that another hides', [line('/../..', '/sys/fs/cgroup/unified'), line('/', '/sys/fs/cgroup')], ['/sys/fs/cgroup/unified'], '/sys/fs/cgroup'],
    ['is what the last mount at a place shows', [line('/../..', '/sys/fs/cgroup'), line('/', '/sys/fs/cgroup'), line('/..', '/host')], [], '/host'],
    ['is the host\'s, where a container has it mounted in', [line('/', '/sys/fs/cgroup'), line('/../../..', '/host/cgroup')], [], '/host/cgroup'],
    ['is the host\'s without a cgroup namespace too', [line('/kubepods/pod1', '/sys/fs/cgroup'), line('/', '/host/cgroup')], [], '/host/cgroup'],
    ['is nowhere without cgroup2', [line('/', '/sys/fs/cgroup/cpu', 'cgroup')], [], undefined],
  ])('%s', (_, lines, hidden, expected) => {
    expect(find(lines, hidden)).toBe(expected);
  });
});
