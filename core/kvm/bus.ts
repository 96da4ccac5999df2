/**
 * What KVM needs of user space: somewhere to send MMIO and port accesses, and an interrupt controller to ask. KVM knows
 * nothing else of devices. Every call is made on the vCPU's thread, between two guest instructions, and answers at once.
 */
export interface VmBus {
  /** Out parameter: high half of what the last read of 8 bytes gave. */
  hi: number;
  /** Out parameter: number of the device that claimed the last access, −1 when none did. */
  device: number;
  /**
   * `size` is 1 … 8 bytes and not always a power of two: an access that crosses a page arrives as two fragments
   * (emulator_read_write in arch/x86/kvm/x86.c). Unclaimed reads give all ones. Returns the low half.
   */
  mmioRead(gpaLo: number, gpaHi: number, size: number): number;
  mmioWrite(gpaLo: number, gpaHi: number, size: number, lo: number, hi: number): void;
  /** `size` is 1, 2 or 4. */
  pioRead(port: number, size: number): number;
  pioWrite(port: number, size: number, value: number): void;
  /** The PIC's INTR line. */
  interruptPending(): boolean;
  /** Interrupt acknowledge cycle: the vector, and the controller's state moves on. */
  acknowledgeInterrupt(): number;
  /** A device asked the machine to stop (debug-exit was written). */
  stopRequested(): boolean;
}
