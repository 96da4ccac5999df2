import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HVA_BASE } from '../../core/base/address.ts';
import { ERAS, MMU_MODES } from '../../core/base/machine-modes.ts';
import { mmioFaultCount } from '../../core/debug/mmio-records.ts';
import type { Machine } from '../../core/machine/index.ts';
import { GUEST_WALK_GPA, GUEST_WALK_RIGHTS } from '../../core/x86/tlb-layout.ts';
import { smallMachine } from '../unit/machine/small-machine.ts';

const STORM = new Uint8Array(readFileSync(new URL('../../electron/guests/storm.elf', import.meta.url)));
const POLLER = new Uint8Array(readFileSync(new URL('../../electron/guests/poller.elf', import.meta.url)));

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
    ['mode=flat op=both', ...(mmu === 'shadow' ? [] : ['mode=32 op=write', 'mode=long op=read'])].map((append) => ({
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
});
