import ffi from 'ffi-napi';
import bindings from 'ffi-napi/lib/bindings.js';

/** Of an argument: i int, u uint32_t, U uint64_t, s string, p pointer (bytes; null for none). */
export type Letter = 'i' | 'u' | 'U' | 's' | 'p';
export type NativeArgument = number | string | Uint8Array | null;

const WORD = 8;
const TYPES = { i: ffi.types.int, u: ffi.types.uint32, U: ffi.types.uint64, s: ffi.types.CString, p: ffi.types.CString } as const;

/**
 * A C function that returns int. Does what ffi-napi's own functions do, which
 * take several new buffers a call, each with a finalizer: arguments are
 * written to the same words each time, for a call is over before the next begins.
 */
export class NativeCall {
  readonly #letters: readonly Letter[];
  readonly #cif: Buffer;
  readonly #frame: Frame;

  /** @param letters one a parameter */
  constructor(
    private readonly code: Buffer,
    letters: string,
  ) {
    this.#letters = [...letters] as Letter[];
    this.#cif = ffi.CIF(ffi.types.int, this.#letters.map((letter) => TYPES[letter]));
    this.#frame = frameOf(this.#letters.length);
  }

  /** @throws TypeError, RangeError where an argument is not what the function takes */
  call(args: readonly NativeArgument[]): number {
    const frame = this.#frame;
    frame.held = this.#write(frame, args);
    bindings.ffi_call(this.#cif, this.code, frame.result, frame.pointers);
    frame.held = NOTHING;
    return frame.result.readInt32LE(0);
  }

  /** The same in a worker thread. */
  async(args: readonly NativeArgument[]): Promise<number> {
    const frame = frameOf(this.#letters.length);
    return new Promise((resolve, reject) => {
      frame.held = this.#write(frame, args);
      bindings.ffi_call_async(this.#cif, this.code, frame.result, frame.pointers, (error) => {
        frame.held = NOTHING; // until here the thread works on it
        if (error === null || error === undefined) resolve(frame.result.readInt32LE(0));
        else reject(error instanceof Error ? error : new Error(JSON.stringify(error)));
      });
    });
  }

  /** @returns bytes that the arguments point to */
  #write({ words }: Frame, args: readonly NativeArgument[]): readonly unknown[] {
    if (args.length !== this.#letters.length) throw new TypeError(`${args.length} arguments instead of ${this.#letters.length}`);
    return this.#letters.map((letter, i) => {
      const value = args[i]!;
      if (letter === 'i') words.writeInt32LE(value as number, i * WORD);
      else if (letter === 'u') words.writeUInt32LE(value as number, i * WORD);
      else if (letter === 'U') words.writeBigUInt64LE(BigInt(value as number), i * WORD);
      else return writePointer(words, i * WORD, bytesOf(letter, value));
      return undefined;
    });
  }
}

/** Where a call's arguments are, the addresses of these words, and where its result goes. */
interface Frame {
  readonly words: Buffer;
  readonly pointers: Buffer;
  readonly result: Buffer;
  /** Bytes of the call under way, which must not be collected. */
  held: readonly unknown[];
}

const NOTHING: readonly unknown[] = [];

function frameOf(args: number): Frame {
  const words = Buffer.alloc(Math.max(1, args) * WORD);
  const pointers = Buffer.alloc(words.length);
  const address = words.address();
  for (let i = 0; i < args; i++) writeAddress(pointers, i * WORD, address + i * WORD);
  return { words, pointers, result: Buffer.alloc(WORD), held: NOTHING };
}

function bytesOf(letter: 's' | 'p', value: NativeArgument): Uint8Array | null {
  if (letter === 's' && typeof value === 'string') return Buffer.from(`${value}\0`);
  if (letter === 'p' && (value === null || value instanceof Uint8Array)) return value;
  throw new TypeError(`${typeof value} as ${letter === 's' ? 'a string' : 'bytes'}`);
}

function writePointer(words: Buffer, at: number, bytes: Uint8Array | null): Uint8Array | null {
  writeAddress(words, at, bytes === null ? 0 : asBuffer(bytes).address());
  return bytes;
}

const asBuffer = (bytes: Uint8Array): Buffer => (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));

/** Addresses of user space have 47 bits, or 52. */
function writeAddress(words: Buffer, at: number, address: number): void {
  words.writeUInt32LE(address % 2 ** 32, at);
  words.writeUInt32LE(Math.floor(address / 2 ** 32), at + 4);
}
