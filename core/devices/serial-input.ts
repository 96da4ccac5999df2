/** What was typed on the serial line and the UART has not taken yet: a ring in the arena. */
import type { Arena } from '../arena/arena.ts';
import { DEV_SERIAL_INPUT, DEV_UART, SERIAL_INPUT_BYTES } from '../arena/device-layout.ts';
import type { RestoredWords } from '../arena/restored-words.ts';

// int32 indexes behind the UART's own words
const HEAD = 128;
const COUNT = 129;

export class SerialInput {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(arena: Arena) {
    const { devices } = arena.layout;
    this.#words = new Int32Array(arena.buffer, devices + DEV_UART, 256);
    this.#bytes = new Uint8Array(arena.buffer, devices + DEV_SERIAL_INPUT, SERIAL_INPUT_BYTES);
  }

  reset(): void {
    this.#words[HEAD] = 0;
    this.#words[COUNT] = 0;
  }

  /** @throws RestoreRefused when what came out of a file cannot be */
  checkRestored(words: RestoredWords): void {
    words.int(HEAD * 4, 0, SERIAL_INPUT_BYTES - 1, 'the place of the input');
    words.int(COUNT * 4, 0, SERIAL_INPUT_BYTES, 'the length of the input');
  }

  length(): number {
    return this.#words[COUNT];
  }

  /** @returns how many of the bytes fit */
  push(bytes: Uint8Array): number {
    const accepted = Math.min(bytes.byteLength, SERIAL_INPUT_BYTES - this.#words[COUNT]);
    for (let i = 0; i < accepted; i += 1) {
      this.#bytes[(this.#words[HEAD] + this.#words[COUNT] + i) % SERIAL_INPUT_BYTES] = bytes[i];
    }
    this.#words[COUNT] += accepted;
    return accepted;
  }

  /** The oldest byte; only asked for while there is one. */
  shift(): number {
    const byte = this.#bytes[this.#words[HEAD]];
    this.#words[HEAD] = (this.#words[HEAD] + 1) % SERIAL_INPUT_BYTES;
    this.#words[COUNT] -= 1;
    return byte;
  }
}
