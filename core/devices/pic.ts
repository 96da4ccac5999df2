/**
 * The two cascaded 8259A of a PC: ports 0x20/0x21 and 0xa0/0xa1, the slave on the master's line 2, and the edge/level
 * control registers at 0x4d0/0x4d1.
 */
import type { Arena } from '../arena/arena.ts';
import { DEV_PIC } from '../arena/device-layout.ts';
import type { PortDevice } from './device.ts';
import { PIC_CHIP_WORDS, PicChip, type PicChipState } from './pic-chip.ts';

const CASCADE = 2;

/** What the bus and the devices need of it. */
export interface InterruptController {
  setIrq(irq: number, high: boolean): void;
  interruptPending(): boolean;
  acknowledge(): number;
}

export class Pic implements PortDevice, InterruptController {
  readonly name = '8259 PIC';
  readonly takesWideAccess = false;
  readonly ports = [
    { first: 0x20, last: 0x21 },
    { first: 0xa0, last: 0xa1 },
    { first: 0x4d0, last: 0x4d1 },
  ];
  readonly #master: PicChip;
  readonly #slave: PicChip;

  constructor(arena: Arena) {
    const start = arena.layout.devices + DEV_PIC;
    this.#master = new PicChip(new Int32Array(arena.buffer, start, PIC_CHIP_WORDS), true);
    this.#slave = new PicChip(new Int32Array(arena.buffer, start + PIC_CHIP_WORDS * 4, PIC_CHIP_WORDS), false);
  }

  reset(): void {
    this.#master.reset();
    this.#slave.reset();
  }

  setIrq(irq: number, high: boolean): void {
    if (irq < 8) this.#master.setLine(irq, high);
    else {
      this.#slave.setLine(irq - 8, high);
      this.#driveCascade();
    }
  }

  state(): { readonly master: PicChipState; readonly slave: PicChipState } {
    return { master: this.#master.state(), slave: this.#slave.state() };
  }

  interruptPending(): boolean {
    return this.#master.request() >= 0;
  }

  /** The two INTA cycles. With no request left the answer is line 7's vector and nothing goes in service: the spurious interrupt. */
  acknowledge(): number {
    const line = this.#master.acknowledge();
    if (line !== CASCADE) return this.#master.vector(line);
    const vector = this.#slave.vector(this.#slave.acknowledge());
    // INT falls during the acknowledge cycle: a slave with a further request gives the master a new edge.
    this.#master.setLine(CASCADE, false);
    this.#driveCascade();
    return vector;
  }

  /** Whether the processor would see a rising edge on `irq` as masks and in-service bits stand. */
  canInterrupt(irq: number): boolean {
    if (irq < 8) return this.#master.wouldRequest(irq);
    return this.#slave.wouldRequest(irq - 8) && this.#master.wouldRequest(CASCADE);
  }

  readPort(port: number): number {
    switch (port) {
      case 0x20:
        return this.#master.readCommand();
      case 0x21:
        return this.#master.readData();
      case 0xa0:
        return this.#withCascade(this.#slave.readCommand());
      case 0xa1:
        return this.#withCascade(this.#slave.readData());
      case 0x4d0:
        return this.#master.readElcr();
      default:
        return this.#slave.readElcr();
    }
  }

  peekPort(port: number): number {
    switch (port) {
      case 0x20:
        return this.#master.peekCommand();
      case 0x21:
        return this.#master.peekData();
      case 0xa0:
        return this.#slave.peekCommand();
      case 0xa1:
        return this.#slave.peekData();
      case 0x4d0:
        return this.#master.readElcr();
      default:
        return this.#slave.readElcr();
    }
  }

  writePort(port: number, _size: number, value: number): void {
    switch (port) {
      case 0x20:
        this.#master.writeCommand(value);
        break;
      case 0x21:
        this.#master.writeData(value);
        break;
      case 0xa0:
        this.#slave.writeCommand(value);
        break;
      case 0xa1:
        this.#slave.writeData(value);
        break;
      case 0x4d0:
        this.#master.writeElcr(value);
        break;
      default:
        this.#slave.writeElcr(value);
        break;
    }
    this.#driveCascade();
  }

  /** The slave's INT is the master's line 2. */
  #driveCascade(): void {
    this.#master.setLine(CASCADE, this.#slave.request() >= 0);
  }

  #withCascade(value: number): number {
    this.#driveCascade();
    return value;
  }
}
