/**
 * VGA in its text mode 3: 32 KiB of character and attribute memory at 0xb8000, and the register files of CRTC, attribute
 * controller, sequencer and graphics controller, of which text mode looks at the cursor, the start address and the blink
 * bit. Registers outside text mode are kept and have no effect: there is no picture but the 80 × 25 cells.
 */
import type { Arena } from '../arena/arena.ts';
import { DEV_VGA, DEV_VGA_TEXT } from '../arena/device-layout.ts';
import type { MmioDevice, PortDevice } from './device.ts';
import type { VirtualClock } from './virtual-clock.ts';

export const VGA_TEXT_GPA = 0xb_8000;
export const VGA_TEXT_BYTES = 0x8000;
export const VGA_COLUMNS = 80;
export const VGA_ROWS = 25;

// Byte offsets in the block
const CRTC = 0; // 25 registers
const ATTRIBUTE = 64; // 21
const SEQUENCER = 96; // 5
const GRAPHICS = 112; // 9
const MISC = 128;
const CRTC_INDEX = 129;
const ATTRIBUTE_INDEX = 130;
const SEQUENCER_INDEX = 131;
const GRAPHICS_INDEX = 132;
/** 0: the next write to 0x3c0 is an index, 1: data. */
const ATTRIBUTE_FLIP_FLOP = 133;

/** The last register that bit 7 of {@link CRTC_PROTECT} protects, all of it but one bit (IBM VGA technical reference, CRTC). */
const CRTC_OVERFLOW = 7;
const LINE_COMPARE_8 = 0x10;
const CRTC_PROTECT = 17;
const CRTC_START_HIGH = 12;
const CRTC_CURSOR_HIGH = 14;

/** Registers of mode 3 as firmware programs them (IBM VGA technical reference, mode tables). */
const MODE_3_CRTC = [
  0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f,
  0x96, 0xb9, 0xa3, 0xff,
];
const MODE_3_ATTRIBUTE = [
  0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0, 0x0f, 0x08, 0,
];
const MODE_3_SEQUENCER = [0x03, 0x00, 0x03, 0x00, 0x02];
const MODE_3_GRAPHICS = [0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff];

/** 70 frames a second of 449 lines, 400 of them shown. */
const FRAME_NS = 14_285_714;
const LINE_NS = 31_816;
const SHOWN_LINES = 400;

export class VgaText implements MmioDevice {
  readonly name = 'VGA text memory';
  readonly gpa = VGA_TEXT_GPA;
  readonly bytes = VGA_TEXT_BYTES;
  hi = 0;
  readonly #memory: DataView;

  constructor(arena: Arena) {
    this.#memory = new DataView(arena.buffer, arena.layout.devices + DEV_VGA_TEXT, VGA_TEXT_BYTES);
  }

  readMmio(offset: number, size: number): number {
    const memory = this.#memory;
    if (size === 1) return memory.getUint8(offset);
    if (size === 2) return memory.getUint16(offset, true);
    if (size === 8) this.hi = memory.getInt32(offset + 4, true);
    if (size === 4 || size === 8) return memory.getInt32(offset, true);
    let low = 0;
    let high = 0;
    for (let i = 0; i < size; i += 1) {
      if (i < 4) low |= memory.getUint8(offset + i) << (8 * i);
      else high |= memory.getUint8(offset + i) << (8 * (i - 4));
    }
    this.hi = high;
    return low;
  }

  writeMmio(offset: number, size: number, lo: number, hi: number): void {
    const memory = this.#memory;
    if (size === 1) memory.setUint8(offset, lo);
    else if (size === 2) memory.setUint16(offset, lo, true);
    else {
      for (let i = 0; i < size; i += 1) memory.setUint8(offset + i, i < 4 ? lo >> (8 * i) : hi >> (8 * (i - 4)));
    }
  }

  peekMmio(offset: number): number {
    return this.#memory.getUint8(offset);
  }
}

export class VgaRegisters implements PortDevice {
  readonly name = 'VGA registers';
  readonly takesWideAccess = false;
  readonly ports = [
    { first: 0x3c0, last: 0x3c2 },
    { first: 0x3c4, last: 0x3c5 },
    { first: 0x3cc, last: 0x3cc },
    { first: 0x3ce, last: 0x3cf },
    { first: 0x3d4, last: 0x3d5 },
    { first: 0x3da, last: 0x3da },
  ];
  readonly #b: Uint8Array;
  readonly #text: Uint8Array;
  readonly #clock: VirtualClock;

  constructor(arena: Arena, clock: VirtualClock) {
    this.#b = new Uint8Array(arena.buffer, arena.layout.devices + DEV_VGA, 256);
    this.#text = new Uint8Array(arena.buffer, arena.layout.devices + DEV_VGA_TEXT, VGA_TEXT_BYTES);
    this.#clock = clock;
  }

  /** Mode 3, a blank screen in grey on black. */
  reset(): void {
    this.#b.fill(0);
    this.#b.set(MODE_3_CRTC, CRTC);
    this.#b.set(MODE_3_ATTRIBUTE, ATTRIBUTE);
    this.#b.set(MODE_3_SEQUENCER, SEQUENCER);
    this.#b.set(MODE_3_GRAPHICS, GRAPHICS);
    this.#b[MISC] = 0x67;
    this.#b[ATTRIBUTE_INDEX] = 0x20;
    for (let i = 0; i < VGA_TEXT_BYTES; i += 2) {
      this.#text[i] = 0x20;
      this.#text[i + 1] = 0x07;
    }
  }

  /** The screen: character and attribute of each cell from the start address on. */
  cells(): Uint8Array {
    const start = this.#pair(CRTC_START_HIGH) * 2;
    return Uint8Array.from({ length: VGA_COLUMNS * VGA_ROWS * 2 }, (_, i) => this.#text[(start + i) % VGA_TEXT_BYTES]);
  }

  /** The cursor's cell counted from the screen's first one; −1 when it is switched off or not on the screen. */
  cursor(): number {
    const cell = this.#pair(CRTC_CURSOR_HIGH) - this.#pair(CRTC_START_HIGH);
    const isOff = (this.#b[CRTC + 10] & 0x20) !== 0;
    return isOff || cell < 0 || cell >= VGA_COLUMNS * VGA_ROWS ? -1 : cell;
  }

  peekPort(port: number): number {
    const b = this.#b;
    switch (port) {
      case 0x3c0:
        return b[ATTRIBUTE_INDEX];
      case 0x3c1:
        return this.#register(ATTRIBUTE, b[ATTRIBUTE_INDEX] & 0x1f, MODE_3_ATTRIBUTE.length);
      case 0x3c2:
        return 0x10; // the display sense line of a colour monitor
      case 0x3c4:
        return b[SEQUENCER_INDEX];
      case 0x3c5:
        return this.#register(SEQUENCER, b[SEQUENCER_INDEX], MODE_3_SEQUENCER.length);
      case 0x3cc:
        return b[MISC];
      case 0x3ce:
        return b[GRAPHICS_INDEX];
      case 0x3cf:
        return this.#register(GRAPHICS, b[GRAPHICS_INDEX], MODE_3_GRAPHICS.length);
      case 0x3d4:
        return b[CRTC_INDEX];
      case 0x3d5:
        return this.#register(CRTC, b[CRTC_INDEX], MODE_3_CRTC.length);
      default:
        return this.#inputStatus();
    }
  }

  /** Reading input status 1 puts the attribute controller's flip-flop back to "index". */
  readPort(port: number): number {
    if (port === 0x3da) this.#b[ATTRIBUTE_FLIP_FLOP] = 0;
    return this.peekPort(port);
  }

  writePort(port: number, _size: number, value: number): void {
    const b = this.#b;
    switch (port) {
      case 0x3c0:
        if (b[ATTRIBUTE_FLIP_FLOP] === 0) b[ATTRIBUTE_INDEX] = value & 0x3f;
        else this.#setRegister(ATTRIBUTE, b[ATTRIBUTE_INDEX] & 0x1f, MODE_3_ATTRIBUTE.length, value);
        b[ATTRIBUTE_FLIP_FLOP] ^= 1;
        break;
      case 0x3c2:
        b[MISC] = value;
        break;
      case 0x3c4:
        b[SEQUENCER_INDEX] = value & 7;
        break;
      case 0x3c5:
        this.#setRegister(SEQUENCER, b[SEQUENCER_INDEX], MODE_3_SEQUENCER.length, value);
        break;
      case 0x3ce:
        b[GRAPHICS_INDEX] = value & 15;
        break;
      case 0x3cf:
        this.#setRegister(GRAPHICS, b[GRAPHICS_INDEX], MODE_3_GRAPHICS.length, value);
        break;
      case 0x3d4:
        b[CRTC_INDEX] = value & 31;
        break;
      case 0x3d5:
        this.#setRegister(CRTC, b[CRTC_INDEX], MODE_3_CRTC.length, value);
        break;
      default: // 0x3c1 is read only here; 0x3cc and 0x3da are
        break;
    }
  }

  #register(file: number, index: number, count: number): number {
    return index < count ? this.#b[file + index] : 0xff;
  }

  #setRegister(file: number, index: number, count: number, value: number): void {
    if (file === CRTC && index <= CRTC_OVERFLOW && (this.#b[CRTC + CRTC_PROTECT] & 0x80) !== 0) {
      if (index === CRTC_OVERFLOW)
        this.#b[CRTC + index] = (this.#b[CRTC + index] & ~LINE_COMPARE_8) | (value & LINE_COMPARE_8);
      return;
    }
    if (index < count) this.#b[file + index] = value;
  }

  #pair(register: number): number {
    return (this.#b[CRTC + register] << 8) | this.#b[CRTC + register + 1];
  }

  /** Bit 0: not showing (either retrace); bit 3: vertical retrace. */
  #inputStatus(): number {
    const line = (this.#clock.now() % FRAME_NS) / LINE_NS;
    if (line >= SHOWN_LINES) return 0x09;
    return line % 1 >= 0.8 ? 0x01 : 0x00;
  }
}
