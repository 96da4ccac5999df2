/**
 * Lines of the kernel log (hooks.ts, onLog) on their way from vCPUs' threads to the engine's. Rare, so a lock around
 * everything; when nobody takes them the newest are dropped and counted.
 */
import { lockWord, unlockWord } from '../arena/futex-lock.ts';
import type { KernelLogLevel } from '../kvm/index.ts';

const LEVELS: readonly KernelLogLevel[] = ['info', 'warning', 'error'];
const LOCK = 0;
/** 16-bit units in use, and lines that found no room. */
const USED = 1;
const LOST = 2;
const HEADER_BYTES = 16;
const UNITS = 16_384;
/** Longest line that is kept whole. */
const MAX_LINE = 1024;
const LOCK_NAME = 'the lock of the kernel log';

export const LOG_RING_BYTES = HEADER_BYTES + UNITS * 2;

export interface LogLine {
  readonly level: KernelLogLevel;
  readonly text: string;
}

export class LogRing {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #units: Uint16Array<SharedArrayBuffer>;

  /** @param at byte offset, a multiple of 4 */
  constructor(buffer: SharedArrayBuffer, at: number) {
    this.#words = new Int32Array(buffer, at, HEADER_BYTES / 4);
    this.#units = new Uint16Array(buffer, at + HEADER_BYTES, UNITS);
  }

  put(level: KernelLogLevel, text: string): void {
    const words = this.#words;
    const length = Math.min(text.length, MAX_LINE);
    lockWord(words, LOCK, LOCK_NAME);
    const used = words[USED];
    if (used + 2 + length > UNITS) words[LOST] += 1;
    else {
      this.#units[used] = LEVELS.indexOf(level);
      this.#units[used + 1] = length;
      for (let i = 0; i < length; i++) this.#units[used + 2 + i] = text.charCodeAt(i);
      Atomics.store(words, USED, used + 2 + length);
    }
    unlockWord(words, LOCK);
  }

  /** The lines since the last time, in the order in which they came. */
  take(): readonly LogLine[] {
    const words = this.#words;
    if (Atomics.load(words, USED) === 0) return [];
    lockWord(words, LOCK, LOCK_NAME);
    const units = this.#units.slice(0, words[USED]);
    const lost = words[LOST];
    words[USED] = 0;
    words[LOST] = 0;
    unlockWord(words, LOCK);
    const lines: LogLine[] = [];
    for (let at = 0; at < units.length; at += 2 + units[at + 1]) {
      const text = String.fromCharCode(...units.subarray(at + 2, at + 2 + units[at + 1]));
      lines.push({ level: LEVELS[units[at]], text });
    }
    if (lost > 0) lines.push({ level: 'warning', text: `${lost} lines of the kernel log were lost` });
    return lines;
  }
}
