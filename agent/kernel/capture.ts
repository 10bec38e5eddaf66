import { native } from './library.js';

/** Room for some packets of the greatest length. */
const BUFFER = 4 << 20;
/** Ethernet, microseconds, packets up to 256 KiB (pcap-savefile(5)). */
const FILE_HEADER = Buffer.from('d4c3b2a1020004000000000000000000' + '00000400' + '01000000', 'hex');

/** Everything that passes one device, in either direction. */
export class Capture {
  /** What a capture file begins with. */
  readonly header = FILE_HEADER;
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(BUFFER);

  /**
   * @param netns path of the device's network namespace; empty: our own
   * @throws CanalError('KERNEL') where the namespace or device is not there
   */
  constructor(netns: string, private readonly device: string) {
    this.#fd = native('canal_capture_open', device, netns, device);
  }

  /** Records of a capture file, of what has come; waits up to `timeoutMs` for the first. Valid until the next call. */
  read(timeoutMs: number): Buffer {
    return this.#buffer.subarray(0, native('canal_capture_read', this.device, this.#fd, this.#buffer, BUFFER, timeoutMs));
  }

  /** Packets lost since the last call because nobody read them in time. */
  dropped(): number {
    return native('canal_capture_dropped', this.device, this.#fd);
  }

  close(): void {
    native('canal_close', this.device, this.#fd);
  }
}
