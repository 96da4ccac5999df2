/** Memslots as a workspace keeps them: only where they are not those that a machine starts with. */
import type { MemslotSnapshot, UserMemoryRegion } from '@core/protocol/index.ts';

const LOW_RAM_END = 0xa_0000n;
const HIGH_RAM = 0x10_0000n;
const LOG_DIRTY = 1;
const READONLY = 2;

export const regionOf = ({ id, gpa, size, hva, logDirtyPages, readonly }: MemslotSnapshot): UserMemoryRegion => ({
  slot: id,
  flags: (logDirtyPages ? LOG_DIRTY : 0) | (readonly ? READONLY : 0),
  guestPhysAddr: gpa,
  memorySize: size,
  userspaceAddr: hva,
});

export const deletionRegion = (slot: MemslotSnapshot): UserMemoryRegion => ({ ...regionOf(slot), memorySize: 0n });

/** RAM from 0 with the PC's hole between 640 KiB and 1 MiB, each byte behind the host address of its own number. */
export function isDefaultMap(slots: readonly MemslotSnapshot[], ramBytes: number): boolean {
  const ram = BigInt(ramBytes);
  const wanted =
    ram > HIGH_RAM
      ? [
          { id: 0, gpa: 0n, size: LOW_RAM_END },
          { id: 1, gpa: HIGH_RAM, size: ram - HIGH_RAM },
        ]
      : [{ id: 0, gpa: 0n, size: ram < LOW_RAM_END ? ram : LOW_RAM_END }];
  const base = slots.find(({ id }) => id === 0)?.hva;
  return (
    slots.length === wanted.length &&
    wanted.every(({ id, gpa, size }) => {
      const slot = slots.find((one) => one.id === id);
      const isPlain = slot !== undefined && !slot.logDirtyPages && !slot.readonly && !slot.invalid;
      return isPlain && slot.gpa === gpa && slot.size === size && base !== undefined && slot.hva === base + gpa;
    })
  );
}
