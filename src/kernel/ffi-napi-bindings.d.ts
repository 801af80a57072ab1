/** The part of ffi-napi below its public interface that {@link NativeLibrary} calls; it has no types of its own. */
declare module 'ffi-napi/lib/bindings.js' {
  const bindings: {
    ffi_call(cif: Buffer, functionPointer: Buffer, result: Buffer, argumentPointers: Buffer): void;
    ffi_call_async(
      cif: Buffer,
      functionPointer: Buffer,
      result: Buffer,
      argumentPointers: Buffer,
      done: (error: unknown) => void,
    ): void;
  };
  export = bindings;
}
