import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HVA_BASE } from '../../core/base/address.ts';
import { ERAS, MMU_MODES } from '../../core/base/machine-modes.ts';
import { mmioFaultCount } from '../../core/debug/logs/mmio-records.ts';
import type { Machine } from '../../core/machine/index.ts';
import { GUEST_WALK_GPA, GUEST_WALK_RIGHTS } from '../../core/x86/tlb/tlb-layout.ts';
import { programmed, smallMachine } from '../unit/machine/small-machine.ts';

const STORM = new Uint8Array(readFileSync(new URL('../../electron/guests/storm.elf', import.meta.url)));
const POLLER = new Uint8Array(readFileSync(new URL('../../electron/guests/poller.elf', import.meta.url)));

const dword = (value: number): number[] => [
  value & 0xff,
  (value >> 8) & 0xff,
  (value >> 16) & 0xff,
  (value >>> 24) & 0xff,
];

/** Maps 4 MiB on by a page table that lies at a hole, which reads as all ones; there is no IDT. */
const TABLE_IN_MMIO = [
  // mov dword [0x110000], 0x83; mov dword [0x110004], 0xfeb00003; mov dword [0x110fe8], 0xfe800083
  ...[0xc7, 0x05, ...dword(0x11_0000), ...dword(0x83)],
  ...[0xc7, 0x05, ...dword(0x11_0004), ...dword(0xfeb0_0003)],
  ...[0xc7, 0x05, ...dword(0x11_0fe8), ...dword(0xfe80_0083)],
  // mov eax, cr4; or eax, 0x10; mov cr4, eax; mov eax, 0x110000; mov cr3, eax; mov eax, cr0; or eax, 0x80000000; mov cr0, eax
  ...[0x0f, 0x20, 0xe0, 0x0d, ...dword(0x10), 0x0f, 0x22, 0xe0],
  ...[0xb8, ...dword(0x11_0000), 0x0f, 0x22, 0xd8],
  ...[0x0f, 0x20, 0xc0, 0x0d, ...dword(0x8000_0000), 0x0f, 0x22, 0xc0],
  // mov eax, [0xfeb00000]; mov eax, [0x400000]; hlt
  ...[0xa1, ...dword(0xfeb0_0000), 0xa1, ...dword(0x40_0000), 0xf4],
];

interface Settings {
  readonly image: Uint8Array;
  readonly append: string;
  readonly mmu: (typeof MMU_MODES)[number];
  readonly era: (typeof ERAS)[number];
}

function machineOf({ image, append, mmu, era }: Settings, inPlace: boolean): Machine {
  const { machine } = smallMachine({ ramBytes: 2 << 20, mmu, era });
  const loaded = machine.loadImage(image, 'guest.elf', append);
  if (!loaded.ok) throw new Error(loaded.error.message);
  if (!inPlace) machine.vm.vcpus[0].cpu.exitsInPlace = undefined;
  return machine;
}

/** What a guest walk hands to its caller means nothing afterwards: without guest paging only the emulator leaves it. */
function forgetWalk(machine: Machine): void {
  machine.vm.vcpus[0].cpu.r.fill(0, GUEST_WALK_GPA, GUEST_WALK_RIGHTS + 1);
}

/** First words of the arena that are not the same. */
function differences(a: Machine, b: Machine): string[] {
  forgetWalk(a);
  forgetWalk(b);
  if (Buffer.compare(a.arena.u8, b.arena.u8) === 0) return [];
  const found: string[] = [];
  for (let word = 0; word < a.arena.i32.length && found.length < 10; word++) {
    if (a.arena.i32[word] === b.arena.i32[word]) continue;
    const region = Object.entries(a.arena.layout).filter(([, at]) => typeof at === 'number' && at <= word * 4);
    found.push(`${region.at(-1)?.[0]}: byte ${word * 4} ${a.arena.i32[word]} is not ${b.arena.i32[word]}`);
  }
  return found;
}

const STORMS = MMU_MODES.flatMap((mmu) =>
  ERAS.flatMap((era) =>
    ['mode=flat op=both', 'mode=32 op=write', 'mode=long op=read'].map((append) => ({
      image: STORM,
      append: `pages=40 passes=20 ${append}`,
      mmu,
      era,
    })),
  ),
);

describe('an MMIO exit that is settled in place leaves the arena as one that is not', () => {
  test.each(STORMS)('$mmu, $era: storm $append', (settings) => {
    const quick = machineOf(settings, true);
    const slow = machineOf(settings, false);
    // Page tables for long mode take the guest a while.
    for (let i = 0; i < 100 && mmioFaultCount(quick.arena) === 0; i++)
      expect(quick.run(9_973)).toEqual(slow.run(9_973));
    for (const insns of [97, 997, 1, 331, 8_009]) {
      expect(quick.run(insns)).toEqual(slow.run(insns));
      expect(differences(quick, slow)).toEqual([]);
    }
    expect(mmioFaultCount(quick.arena)).toBeGreaterThan(100);
  });

  test('whatever slots come and go meanwhile', () => {
    const edits = fc.array(
      fc.record({ after: fc.integer({ min: 1, max: 4000 }), size: fc.constantFrom(0n, 0x1000n, 0x2000n) }),
      {
        maxLength: 6,
      },
    );
    fc.assert(
      fc.property(fc.constantFrom(...MMU_MODES), fc.constantFrom(...ERAS), edits, (mmu, era, script) => {
        const settings = { image: POLLER, append: 'gpa=0xe0000000', mmu, era };
        const pair = [machineOf(settings, true), machineOf(settings, false)];
        for (const { after, size } of script) {
          const stops = pair.map((machine) => {
            const stop = machine.run(after);
            machine.vm.setUserMemoryRegion({
              slot: 5,
              flags: 0,
              guestPhysAddr: 0xe000_0000n,
              memorySize: size,
              userspaceAddr: HVA_BASE + 0x10_0000n,
            });
            return stop;
          });
          expect(stops[0]).toEqual(stops[1]);
          expect(differences(pair[0], pair[1])).toEqual([]);
        }
      }),
      { numRuns: 15 },
    );
  });

  test.each(['ept', 'npt'] as const)('and knows a guest page table in MMIO from the access itself under %s', (mmu) => {
    const machines = [true, false].map((inPlace) => {
      const { machine } = programmed(TABLE_IN_MMIO, { ramBytes: 2 << 20, mmu });
      if (!inPlace) machine.vm.vcpus[0].cpu.exitsInPlace = undefined;
      return machine;
    });
    const stops = machines.map((machine) => machine.run(100));
    expect(stops[0]).toMatchObject({ kind: 'shutdown' });
    expect(stops[0]).toEqual(stops[1]);
    expect(differences(machines[0], machines[1])).toEqual([]);
  });
});
