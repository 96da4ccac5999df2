/** What the guest sent over its serial line, as far back as it is kept. */

export const SERIAL_KEPT_BYTES = 262144;

export class SerialHistory {
  readonly #ring = new Uint8Array(SERIAL_KEPT_BYTES);
  /** Bytes ever appended. */
  #written = 0;

  get written(): number {
    return this.#written;
  }

  append(bytes: Uint8Array): void {
    const kept = bytes.subarray(Math.max(0, bytes.length - SERIAL_KEPT_BYTES));
    const start = (this.#written + bytes.length - kept.length) % SERIAL_KEPT_BYTES;
    const tail = Math.min(kept.length, SERIAL_KEPT_BYTES - start);
    this.#ring.set(kept.subarray(0, tail), start);
    this.#ring.set(kept.subarray(tail), 0);
    this.#written += bytes.length;
  }

  read(): Uint8Array {
    if (this.#written <= SERIAL_KEPT_BYTES) return this.#ring.slice(0, this.#written);
    const end = this.#written % SERIAL_KEPT_BYTES;
    const all = new Uint8Array(SERIAL_KEPT_BYTES);
    all.set(this.#ring.subarray(end), 0);
    all.set(this.#ring.subarray(0, end), SERIAL_KEPT_BYTES - end);
    return all;
  }
}
