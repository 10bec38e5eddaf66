/** The part of ffi-napi that this folder uses; the package brings no types. */
declare module 'ffi-napi' {
  type Type = 'int' | 'uint32' | 'uint64' | 'string' | 'pointer';
  interface Callable {
    (...args: unknown[]): number;
    /** Runs in a worker thread; the callback gets what the function returned. */
    async(...args: unknown[]): void;
  }
  const ffi: {
    Library<Name extends string>(path: string, functions: Record<Name, [Type, Type[]]>): Record<Name, Callable>;
    /** errno of this thread's last call. */
    errno(): number;
  };
  export default ffi;
}
