/**
 * Calls C functions with argument frames that are made once and used again.
 *
 * ffi-napi's own functions make new Buffers for every argument of every call: 35 µs, and some 90 bytes of C
 * heap that never come back. The same `ffi_call` on a frame of ours costs well under a microsecond and leaks
 * nothing. `ffi_call` is not public interface, so this file is the only one that knows it, and the version of
 * ffi-napi is pinned.
 *
 * Pointers into C are bigints, memory of ours is a Uint8Array. The caller keeps alive what C holds on to
 * beyond a call.
 */
import ffi from 'ffi-napi';
import bindings from 'ffi-napi/lib/bindings.js';
import ref from 'ref-napi';

/** An address in C; 0n is NULL. */
export type Address = bigint;

export type NativeType = 'int' | 'pointer';

/** int: a number, cut to 32 bits. pointer: an address, memory of ours, or null. */
export type NativeArgument = number | Address | Uint8Array | null;

const WORD = 8;
const POINTER = ref.refType(ref.types.void);

/** Not in the typings: like writePointer, but without tying the lifetimes together for ever. */
const writePointer = (
  ref as unknown as { _writePointer(buffer: Buffer, offset: number, pointer: Buffer): void }
)._writePointer;

/** Where the arguments and the result of one call lie. */
class Frame {
  readonly arguments: Buffer;
  readonly argumentPointers: Buffer;
  readonly result = Buffer.alloc(WORD);
  readonly #types: readonly NativeType[];

  constructor(types: readonly NativeType[]) {
    this.#types = types;
    this.arguments = Buffer.alloc(Math.max(1, types.length) * WORD);
    this.argumentPointers = Buffer.alloc(Math.max(1, types.length) * WORD);
    for (let i = 0; i < types.length; i++) {
      writePointer(this.argumentPointers, i * WORD, this.arguments.subarray(i * WORD));
    }
  }

  set(values: readonly NativeArgument[]): void {
    if (values.length !== this.#types.length) {
      throw new TypeError(`a call with ${values.length} arguments, the C function has ${this.#types.length}`);
    }
    for (let i = 0; i < values.length; i++) this.#setOne(i, values[i] as NativeArgument);
  }

  #setOne(index: number, value: NativeArgument): void {
    const at = index * WORD;
    if (typeof value === 'number') {
      if (this.#types[index] !== 'int') throw new TypeError(`argument ${index} is a pointer, not a number`);
      this.arguments.writeInt32LE(value | 0, at);
    } else if (this.#types[index] !== 'pointer') {
      throw new TypeError(`argument ${index} is a number, not a pointer`);
    } else if (value === null) {
      this.arguments.writeBigUInt64LE(0n, at);
    } else if (typeof value === 'bigint') {
      this.arguments.writeBigUInt64LE(value, at);
    } else {
      writePointer(this.arguments, at, asBuffer(value));
    }
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A C function. Its result is an int, or a pointer as {@link Address}. */
export interface NativeFunction<Result> {
  (...values: NativeArgument[]): Result;
  /** The same on a worker thread. */
  async(...values: NativeArgument[]): Promise<Result>;
}

/** An open shared library. */
export class NativeLibrary {
  readonly #library;

  /** Throws when the dynamic linker does not find it. */
  constructor(path: string) {
    this.#library = ffi.DynamicLibrary(path, ffi.DynamicLibrary.FLAGS.RTLD_NOW);
  }

  /** A function that returns an int. Throws when the library has no such symbol. */
  int(name: string, ...types: NativeType[]): NativeFunction<number> {
    return this.#bind(name, ref.types.int, types, (result) => result.readInt32LE(0));
  }

  /** A function that returns a pointer. */
  pointer(name: string, ...types: NativeType[]): NativeFunction<Address> {
    return this.#bind(name, POINTER, types, (result) => result.readBigUInt64LE(0));
  }

  #bind<Result>(
    name: string,
    resultType: unknown,
    types: readonly NativeType[],
    read: (result: Buffer) => Result,
  ): NativeFunction<Result> {
    const symbol = this.#library.get(name) as Buffer;
    const cif = ffi.CIF(
      resultType as never,
      types.map((type) => (type === 'int' ? ref.types.int : POINTER)) as never,
    ) as Buffer;
    const frame = new Frame(types);
    const call = (...values: NativeArgument[]): Result => {
      frame.set(values);
      bindings.ffi_call(cif, symbol, frame.result, frame.argumentPointers);
      return read(frame.result);
    };
    const callAsync = (...values: NativeArgument[]): Promise<Result> =>
      new Promise((resolve, reject) => {
        const own = new Frame(types);
        own.set(values);
        bindings.ffi_call_async(cif, symbol, own.result, own.argumentPointers, (error) => {
          // `values` and `own` are named here so that they live until C is done with them.
          if (error || values.length !== types.length) reject(error);
          else resolve(read(own.result));
        });
      });
    return Object.assign(call, { async: callAsync });
  }
}

/** A C string of ours, for a pointer argument. */
export function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

/** The text in a buffer up to its first NUL. */
export function readCString(buffer: Buffer): string {
  const end = buffer.indexOf(0);
  return buffer.toString('utf8', 0, end < 0 ? buffer.length : end);
}

/** Room for one pointer that C writes. */
export function pointerCell(): Buffer {
  return Buffer.alloc(WORD);
}

/** The memory behind an address that C wrote into a {@link pointerCell}. */
export function memoryAt(cell: Buffer, size: number): Buffer {
  return ref.readPointer(cell, 0, size) as Buffer;
}
