/** What the bus asks of a device. A device is a class over its block of the arena; it keeps nothing elsewhere. */

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface PortDevice {
  /** For people: the memory view, the MMIO log, the port map. */
  readonly name: string;
  readonly ports: readonly PortRange[];
  /**
   * False: the device sits on an 8-bit bus, so a wider access reaches it as single bytes at consecutive ports (as the ISA bridge does).
   * True: it takes the access whole.
   */
  readonly takesWideAccess: boolean;
  readPort(port: number, size: number): number;
  writePort(port: number, size: number, value: number): void;
  /** What a one-byte read would give, without its side effects. */
  peekPort(port: number): number;
}

export interface MmioDevice {
  readonly name: string;
  readonly gpa: number;
  readonly bytes: number;
  /** Out parameter: high half of what an 8-byte read gave. */
  hi: number;
  /** The low half of `size` bytes at `offset`; the bus never asks beyond the device's end. */
  readMmio(offset: number, size: number): number;
  writeMmio(offset: number, size: number, lo: number, hi: number): void;
  /** The byte a read would give, without its side effects. */
  peekMmio(offset: number): number;
}

/** A device with a timer on the virtual clock. */
export interface TimedDevice {
  /** Catches up with the time: everything due at or before `now` has happened afterwards. */
  advance(now: number): void;
  /** When something happens by itself next that could be seen from outside the device, in ns; Infinity for never. */
  deadline(): number;
  /** The interrupt line that the deadline may raise: idle time is only skipped for lines that can wake the processor. */
  readonly irq: number;
}
