/** Bytes that the guest sends, on their way from vCPUs' threads to the engine's. Writers hold the devices' lock. */
const SERIAL_BYTES = 65_536;
/** int32 indexes: bytes ever written and ever taken, modulo 2^32. */
const HEAD = 0;
const TAIL = 1;
const HEADER_BYTES = 8;

export const SERIAL_RING_BYTES = HEADER_BYTES + SERIAL_BYTES;

export class SerialRing {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;

  /** @param at byte offset, a multiple of 4 */
  constructor(buffer: SharedArrayBuffer, at: number) {
    this.#words = new Int32Array(buffer, at, HEADER_BYTES / 4);
    this.#bytes = new Uint8Array(buffer, at + HEADER_BYTES, SERIAL_BYTES);
  }

  /** There is room while {@link isFull} is heeded. */
  put(byte: number): void {
    const head = this.#words[HEAD];
    this.#bytes[head & (SERIAL_BYTES - 1)] = byte;
    Atomics.store(this.#words, HEAD, (head + 1) | 0);
  }

  /** Half full: vCPUs go and wait until the engine has taken some. */
  isFull(): boolean {
    return ((Atomics.load(this.#words, HEAD) - Atomics.load(this.#words, TAIL)) | 0) > SERIAL_BYTES / 2;
  }

  take(): Uint8Array<ArrayBuffer> {
    const tail = this.#words[TAIL];
    const head = Atomics.load(this.#words, HEAD);
    const bytes = new Uint8Array((head - tail) | 0);
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.#bytes[(tail + i) & (SERIAL_BYTES - 1)];
    Atomics.store(this.#words, TAIL, head);
    return bytes;
  }
}
