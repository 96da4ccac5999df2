/**
 * Where arenas come from in Node: the buffer of a shared WebAssembly.Memory, so that compiled guest code can work in it later.
 * The pages are zero and cost nothing until they are touched.
 */
const WASM_PAGE = 65536;
const MIB = 1024 * 1024;

/** What this needs of the global that every JavaScript host has and Node's types leave out. */
interface WasmMemoryHost {
  readonly WebAssembly: {
    readonly Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => {
      readonly buffer: ArrayBufferLike;
    };
  };
}

export class ArenaMemoryError extends Error {
  override readonly name = 'ArenaMemoryError';
}

export function allocateArena(bytes: number): SharedArrayBuffer {
  const pages = Math.ceil(bytes / WASM_PAGE);
  try {
    const { WebAssembly: wasm } = globalThis as unknown as WasmMemoryHost;
    const { buffer } = new wasm.Memory({ initial: pages, maximum: pages, shared: true });
    if (buffer instanceof SharedArrayBuffer) return buffer;
    throw new Error('the runtime gave memory that threads cannot share');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ArenaMemoryError(
      `the machine needs ${Math.ceil(bytes / MIB)} MiB of memory in one piece and did not get it (${why}); ` +
        'give the guest less memory or close something else.',
    );
  }
}
