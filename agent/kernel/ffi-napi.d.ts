/** The part of ffi-napi that this folder uses; the package brings no types. */
declare module 'ffi-napi' {
  type Type = 'int' | 'uint32' | 'uint64' | 'string' | 'pointer';
  type Callable = (...args: unknown[]) => number;
  const ffi: {
    Library<Name extends string>(path: string, functions: Record<Name, [Type, Type[]]>): Record<Name, Callable>;
    /** Throws where the file or the name is not there. */
    DynamicLibrary: new (path: string) => { get(name: string): Buffer };
    /** How a function is called; the types are of `types`. */
    CIF(result: unknown, args: readonly unknown[]): Buffer;
    readonly types: Readonly<Record<'int' | 'uint32' | 'uint64' | 'CString', unknown>>;
    /** errno of this thread's last call. */
    errno(): number;
  };
  export default ffi;
}

/** What the above is made of. */
declare module 'ffi-napi/lib/bindings.js' {
  const bindings: {
    /** @param args addresses of the arguments, one word each */
    ffi_call(cif: Buffer, code: Buffer, result: Buffer, args: Buffer): void;
    /** The same in a worker thread. Keeps none of the buffers alive. */
    ffi_call_async(cif: Buffer, code: Buffer, result: Buffer, args: Buffer, done: (error: unknown) => void): void;
  };
  export default bindings;
}

/** By ref-napi, which ffi-napi loads. */
interface Buffer {
  /** Where the bytes are in memory; they do not move. */
  address(): number;
}
