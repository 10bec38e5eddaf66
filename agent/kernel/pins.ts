import { readFileSync } from 'node:fs';
import { canalMapInfoCodec, canalProgInfoCodec, type CanalMapInfo, type CanalProgInfo } from './abi.generated.js';
import { decode } from './codec.js';
import { kernelError, native, nativeResult } from './library.js';

export function mapInfo(fd: number): CanalMapInfo {
  const buffer = Buffer.alloc(canalMapInfoCodec.size);
  native('canal_map_info', `fd ${fd}`, fd, buffer);
  return decode(canalMapInfoCodec, buffer);
}

/** Bytes that the kernel has allocated for a map, as it accounts them: all of it from Linux 6.3 on, an upper bound before. */
export function mapMemory(fd: number): number {
  return Number(/^memlock:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? 0);
}

export function programInfo(fd: number): CanalProgInfo {
  const buffer = Buffer.alloc(canalProgInfoCodec.size);
  native('canal_prog_info', `fd ${fd}`, fd, buffer);
  return decode(canalProgInfoCodec, buffer);
}

/** Descriptor of something pinned, for {@link closeFd}; undefined where nothing is. */
export function openPinned(path: string): number | undefined {
  const fd = nativeResult('canal_pinned', path);
  if (fd === -2) return undefined;
  if (fd < 0) throw kernelError('open pin', path, -fd);
  return fd;
}

export function closeFd(fd: number): void {
  nativeResult('canal_close', fd);
}
