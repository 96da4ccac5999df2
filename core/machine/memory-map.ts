/**
 * What lies where in a fresh machine: RAM from 0 with the PC's hole between 640 KiB and 1 MiB, devices outside it.
 * Everything that is neither a slot nor a device is MMIO that nobody claims.
 */
import { HVA_BASE } from '../base/address.ts';
import type { UserMemoryRegion } from '../kvm/index.ts';

/** End of conventional memory; video memory, option ROMs and BIOS follow on a PC up to {@link HIGH_RAM}. */
export const LOW_RAM_END = 0xa_0000;
export const HIGH_RAM = 0x10_0000;

export type MemoryMapSlot = UserMemoryRegion;

/** The slots a machine starts with. hva is linear in gpa: gpa g is backed by HVA_BASE + g, the hole's bytes included. */
export function defaultMemoryMap(ramBytes: number): readonly MemoryMapSlot[] {
  const slot = (id: number, start: number, end: number): MemoryMapSlot => ({
    slot: id,
    flags: 0,
    guestPhysAddr: BigInt(start),
    memorySize: BigInt(end - start),
    userspaceAddr: HVA_BASE + BigInt(start),
  });
  const low = slot(0, 0, Math.min(ramBytes, LOW_RAM_END));
  return ramBytes > HIGH_RAM ? [low, slot(1, HIGH_RAM, ramBytes)] : [low];
}

/** Whether the default map backs all of [gpa, gpa + bytes) with RAM. */
export function isBackedRange(ramBytes: number, gpa: number, bytes: number): boolean {
  const end = gpa + bytes;
  if (gpa >= 0 && end <= Math.min(ramBytes, LOW_RAM_END)) return true;
  return gpa >= HIGH_RAM && end <= ramBytes;
}
