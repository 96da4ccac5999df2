/** Gathers what the guest sends, so that the listener is called for lines and not for letters. */
const CHUNK = 1024;

export class SerialOutput {
  readonly #listener: ((bytes: Uint8Array<ArrayBuffer>) => void) | undefined;
  readonly #buffer = new Uint8Array(CHUNK);
  #length = 0;

  constructor(listener: ((bytes: Uint8Array<ArrayBuffer>) => void) | undefined) {
    this.#listener = listener;
  }

  put(byte: number): void {
    this.#buffer[this.#length] = byte;
    this.#length += 1;
    if (this.#length === CHUNK) this.flush();
  }

  flush(): void {
    if (this.#length === 0) return;
    const bytes = this.#buffer.slice(0, this.#length);
    this.#length = 0;
    this.#listener?.(bytes);
  }
}
