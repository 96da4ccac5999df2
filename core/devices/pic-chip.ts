/**
 * One 8259A (Intel 8259A data sheet, "Initialization Command Words", "Operation Command Words"), with the ELCR bit mask
 * that PC chipsets add. The pair of them is in pic.ts.
 */

// int32 indexes into the chip's words
const IRR = 0;
const IMR = 1;
const ISR = 2;
const LINES = 3;
/** The line that has the lowest priority; 7 after initialisation. */
const LOWEST = 4;
const VECTOR_BASE = 5;
const READ_ISR = 6;
const POLL = 7;
const SPECIAL_MASK = 8;
/** 0 ready; 2, 3, 4: the initialisation word expected next at the data port. */
const INIT_WORD = 9;
const NEEDS_ICW4 = 10;
const SINGLE = 11;
const AUTO_EOI = 12;
const ROTATE_ON_AUTO_EOI = 13;
const SPECIAL_FULLY_NESTED = 14;
const ELCR = 15;
/** ICW1.LTIM: all lines level triggered. */
const LEVEL_TRIGGERED = 16;
const ICW3 = 17;
const INITIALISED = 18;
export const PIC_CHIP_WORDS = 32;

/** What OCW2's upper three bits command. */
const ROTATE_IN_AUTO_EOI_CLEAR = 0;
const NONSPECIFIC_EOI = 1;
const SPECIFIC_EOI = 3;
const ROTATE_IN_AUTO_EOI_SET = 4;
const ROTATE_ON_NONSPECIFIC_EOI = 5;
const SET_PRIORITY = 6;
const ROTATE_ON_SPECIFIC_EOI = 7;

/** What a chip holds, for people. */
export interface PicChipState {
  readonly irr: number;
  readonly imr: number;
  readonly isr: number;
  /** Levels of the eight inputs. */
  readonly lines: number;
  /** Bits of lines that are level triggered. */
  readonly level: number;
  readonly vectorBase: number;
  readonly lowestPriority: number;
  readonly isInitialised: boolean;
  readonly autoEoi: boolean;
  readonly specialMask: boolean;
  /** The line that INT stands for, −1 when INT is low. */
  readonly requesting: number;
}

export class PicChip {
  readonly #w: Int32Array;
  readonly #isMaster: boolean;
  /** Lines that can be level triggered through the ELCR: not the timer, the keyboard, the cascade, the clock and the FPU. */
  readonly #elcrMask: number;

  constructor(words: Int32Array, isMaster: boolean) {
    this.#w = words;
    this.#isMaster = isMaster;
    this.#elcrMask = isMaster ? 0xf8 : 0xde;
  }

  reset(): void {
    this.#w.fill(0);
    this.#w[LOWEST] = 7;
    this.#w[IMR] = 0xff;
  }

  setLine(line: number, high: boolean): void {
    const w = this.#w;
    const bit = 1 << line;
    const wasHigh = (w[LINES] & bit) !== 0;
    if (high) {
      if (this.#isLevel(bit) || !wasHigh) w[IRR] |= bit;
      w[LINES] |= bit;
    } else {
      // "If the IR input goes low before this time a DEFAULT IR7 will occur": the request goes with the line.
      w[IRR] &= ~bit;
      w[LINES] &= ~bit;
    }
  }

  /** The line that INT stands for, −1 when INT is low. */
  request(): number {
    const requests = this.#w[IRR] & ~this.#w[IMR];
    return requests === 0 || this.#w[INITIALISED] === 0 ? -1 : this.#strongest(requests);
  }

  /** Whether a rising edge on `line` would raise INT as things are. */
  wouldRequest(line: number): boolean {
    const bit = 1 << line;
    return this.#w[INITIALISED] === 1 && (this.#w[IMR] & bit) === 0 && this.#strongest(bit) === line;
  }

  /** The INTA cycle. @returns the line acknowledged, or −1 when there was none: the chip then says line 7, and nothing is in service. */
  acknowledge(): number {
    const w = this.#w;
    const line = this.request();
    if (line < 0) return -1;
    const bit = 1 << line;
    if (!this.#isLevel(bit)) w[IRR] &= ~bit;
    if (w[AUTO_EOI] === 1) {
      if (w[ROTATE_ON_AUTO_EOI] === 1) w[LOWEST] = line;
    } else w[ISR] |= bit;
    return line;
  }

  vector(line: number): number {
    return this.#w[VECTOR_BASE] | (line < 0 ? 7 : line);
  }

  state(): PicChipState {
    const w = this.#w;
    return {
      irr: w[IRR],
      imr: w[IMR],
      isr: w[ISR],
      lines: w[LINES],
      level: w[LEVEL_TRIGGERED] === 1 ? 0xff : w[ELCR],
      vectorBase: w[VECTOR_BASE],
      lowestPriority: w[LOWEST],
      isInitialised: w[INITIALISED] === 1,
      autoEoi: w[AUTO_EOI] === 1,
      specialMask: w[SPECIAL_MASK] === 1,
      requesting: this.request(),
    };
  }

  peekCommand(): number {
    if (this.#w[POLL] === 1) {
      const line = this.request();
      return line < 0 ? 0 : 0x80 | line;
    }
    return this.#w[READ_ISR] === 1 ? this.#w[ISR] : this.#w[IRR];
  }

  readCommand(): number {
    return this.#w[POLL] === 1 ? this.#poll() : this.peekCommand();
  }

  peekData(): number {
    return this.#w[POLL] === 1 ? this.peekCommand() : this.#w[IMR];
  }

  /** A poll is answered by the next read of either port. */
  readData(): number {
    return this.#w[POLL] === 1 ? this.#poll() : this.#w[IMR];
  }

  readElcr(): number {
    return this.#w[ELCR];
  }

  writeElcr(value: number): void {
    const w = this.#w;
    w[ELCR] = value & this.#elcrMask;
    w[IRR] |= w[LINES] & w[ELCR];
  }

  writeCommand(value: number): void {
    if ((value & 0x10) !== 0) this.#initialise(value);
    else if ((value & 0x08) !== 0) this.#writeOcw3(value);
    else this.#writeOcw2(value);
  }

  writeData(value: number): void {
    const w = this.#w;
    switch (w[INIT_WORD]) {
      case 2:
        w[VECTOR_BASE] = value & 0xf8;
        w[INIT_WORD] = w[SINGLE] === 0 ? 3 : w[NEEDS_ICW4] === 1 ? 4 : 0;
        break;
      case 3:
        w[ICW3] = value;
        w[INIT_WORD] = w[NEEDS_ICW4] === 1 ? 4 : 0;
        break;
      case 4:
        w[SPECIAL_FULLY_NESTED] = (value >> 4) & 1;
        w[AUTO_EOI] = (value >> 1) & 1;
        w[INIT_WORD] = 0;
        break;
      default:
        w[IMR] = value;
        return;
    }
    if (w[INIT_WORD] === 0) w[INITIALISED] = 1;
  }

  /** ICW1 clears the edge sense, the mask, the special mask mode, and gives line 7 the lowest priority. */
  #initialise(value: number): void {
    const w = this.#w;
    w[IRR] = 0;
    w[IMR] = 0;
    w[ISR] = 0;
    w[LOWEST] = 7;
    w[SPECIAL_MASK] = 0;
    w[READ_ISR] = 0;
    w[POLL] = 0;
    w[AUTO_EOI] = 0;
    w[ROTATE_ON_AUTO_EOI] = 0;
    w[SPECIAL_FULLY_NESTED] = 0;
    w[INITIALISED] = 0;
    w[NEEDS_ICW4] = value & 1;
    w[SINGLE] = (value >> 1) & 1;
    w[LEVEL_TRIGGERED] = (value >> 3) & 1;
    w[INIT_WORD] = 2;
    if (w[LEVEL_TRIGGERED] === 1) w[IRR] = w[LINES];
    else w[IRR] = w[LINES] & w[ELCR];
  }

  #writeOcw2(value: number): void {
    const w = this.#w;
    const line = value & 7;
    switch (value >> 5) {
      case ROTATE_IN_AUTO_EOI_CLEAR:
        w[ROTATE_ON_AUTO_EOI] = 0;
        break;
      case ROTATE_IN_AUTO_EOI_SET:
        w[ROTATE_ON_AUTO_EOI] = 1;
        break;
      case NONSPECIFIC_EOI:
        this.#endHighest();
        break;
      case ROTATE_ON_NONSPECIFIC_EOI: {
        const ended = this.#endHighest();
        if (ended >= 0) w[LOWEST] = ended;
        break;
      }
      case SPECIFIC_EOI:
        w[ISR] &= ~(1 << line);
        break;
      case ROTATE_ON_SPECIFIC_EOI:
        w[ISR] &= ~(1 << line);
        w[LOWEST] = line;
        break;
      case SET_PRIORITY:
        w[LOWEST] = line;
        break;
      default: // 2: no operation
        break;
    }
  }

  #writeOcw3(value: number): void {
    const w = this.#w;
    if ((value & 0x40) !== 0) w[SPECIAL_MASK] = (value >> 5) & 1;
    if ((value & 0x04) !== 0) w[POLL] = 1;
    else if ((value & 0x02) !== 0) w[READ_ISR] = value & 1;
  }

  #poll(): number {
    const answer = this.peekCommand();
    this.#w[POLL] = 0;
    if (answer !== 0) this.acknowledge();
    return answer;
  }

  #endHighest(): number {
    const w = this.#w;
    // In special mask mode a masked line in service is passed over (data sheet, "Special Mask Mode").
    const line = this.#highest(w[SPECIAL_MASK] === 1 ? w[ISR] & ~w[IMR] : w[ISR]);
    if (line >= 0) w[ISR] &= ~(1 << line);
    return line;
  }

  /** The best of `requests` that what is in service lets through. */
  #strongest(requests: number): number {
    const w = this.#w;
    const line = this.#highest(requests);
    if (line < 0) return -1;
    let blocking = w[SPECIAL_MASK] === 1 ? w[ISR] & ~w[IMR] : w[ISR];
    // Special fully nested: the slave may interrupt again while one of its own is in service.
    if (w[SPECIAL_FULLY_NESTED] === 1 && this.#isMaster) blocking &= ~w[ICW3];
    const inService = this.#highest(blocking);
    return inService < 0 || this.#rank(line) < this.#rank(inService) ? line : -1;
  }

  #highest(lines: number): number {
    for (let i = 1; i <= 8; i += 1) {
      const line = (this.#w[LOWEST] + i) & 7;
      if ((lines & (1 << line)) !== 0) return line;
    }
    return -1;
  }

  #rank(line: number): number {
    return (line - this.#w[LOWEST] - 1) & 7;
  }

  #isLevel(bit: number): boolean {
    return this.#w[LEVEL_TRIGGERED] === 1 || (this.#w[ELCR] & bit) !== 0;
  }
}
