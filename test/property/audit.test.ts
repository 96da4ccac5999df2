/**
 * Random scripts of guest accesses, guest-table writes, mode switches, memslot changes, dirty-log reads, quota and generation
 * changes, over every MMU and era. After every step the auditor must be silent, and every access must see what an oracle that
 * knows only memslots and guest tables allows. AUDIT_RUNS (scripts per MMU and era) and AUDIT_STEPS make it
 * longer, AUDIT_SEED repeats a run.
 */
import { describe, expect, test } from 'vitest';
import { VCPU_REQUESTS } from '../../core/arena/vcpu-layout.ts';
import { ERAS, MMU_MODES } from '../../core/base/machine-modes.ts';
import { lastSptep } from '../../core/kvm/mmu/mmu-walk.ts';
import { NESTED_TLB, NESTED_TLB_END, PAGING_CACHES_END, PDE_CACHE } from '../../core/x86/tlb/tlb-layout.ts';
import { hunt, quarryText } from './audit-hunt.ts';
import { playScript, scriptText } from './audit-script.ts';

const LONGER = process.env['AUDIT_RUNS'];
const RUNS = Number(LONGER ?? 5);
const STEPS = Number(process.env['AUDIT_STEPS'] ?? 40);
/** The same scripts every time, but for longer runs, which are there to find new ones. */
const SEED = process.env['AUDIT_SEED'] ?? (LONGER === undefined ? '20130607' : undefined);

describe.each(MMU_MODES.flatMap((mmu) => ERAS.map((era) => [mmu, era] as const)))('%s, %s', (mmu, era) => {
  test('every access sees memory as the slots have it, and the auditor is silent after every step', () => {
    const quarry = hunt({ mmu, era, runs: RUNS, steps: STEPS, seed: SEED === undefined ? undefined : Number(SEED) });
    if (quarry !== undefined) throw new Error(quarryText(quarry));
  }, 600_000);
});

test('the processor may find a new leaf entry below a directory entry that it has cached', () => {
  // In the table that the directory named before: bit 63, which is reserved.
  playScript({ mmu: 'npt', era: 'patch', hostPages: '4k', vcpus: 1, eptAd: false }, [
    { do: 'paging', paging: 'pae', space: 0, wp: false, nx: false, all: true },
    { do: 'slot', id: 1, place: 0, pages: 16, host: 0, flags: 0 },
    { do: 'slot', id: 2, place: 2, pages: 512, host: 1, flags: 0 },
    { do: 'write', at: 4, byte: false, user: false },
    { do: 'direct', window: 0, to: 2, bits: 7, invlpg: false },
    { do: 'no-execute', at: 2, upper: false, on: true, invlpg: false },
    { do: 'read', at: 5, user: false },
  ]);
});

test('a directory entry with bit 63 gives its rights to the page below, all but execution', () => {
  playScript({ mmu: 'shadow', era: 'patch', hostPages: '4k', vcpus: 1, eptAd: false }, [
    { do: 'paging', paging: 'pae', space: 0, wp: false, nx: true, all: true },
    { do: 'no-execute', at: 4, upper: true, on: true, invlpg: false },
    { do: 'read', at: 1, user: false },
  ]);
});

test.each(ERAS.flatMap((era) => MMU_MODES.map((mmu) => [mmu, era] as const)))(
  'a slot of large pages that is moved to where none fits is still reached: %s, %s',
  (mmu, era) => {
    playScript({ mmu, era, hostPages: '2m', vcpus: 1, eptAd: false }, [
      { do: 'slot', id: 1, place: 2, pages: 512, host: 1, flags: 0 },
      { do: 'move', id: 1, place: 1 },
      { do: 'read', at: 1, user: false },
      { do: 'write', at: 1, byte: false, user: false },
      { do: 'read', at: 1, user: false },
    ]);
  },
);

test('a flush that is lost is found by the next step', () => {
  const script = playScript({ mmu: 'npt', era: 'v3.11' }, [
    { do: 'slot', id: 1, place: 0, pages: 16, host: 0, flags: 1 },
    { do: 'write', at: 0, byte: false, user: false },
    { do: 'dirty-log', id: 1 },
  ]);
  script.world.vcpu.cpu.r[VCPU_REQUESTS] = 0;
  expect(() => script.play({ do: 'quota', pages: 64 })).toThrow(
    /audit: tlb: the TLB of vCPU 0 translates gva 0x1000000 /,
  );
});

test('a violation is told with its rule, the spte and the last events that touched it', () => {
  const script = playScript({ mmu: 'npt', era: 'v3.11' }, [
    { do: 'slot', id: 1, place: 0, pages: 16, host: 0, flags: 0 },
    { do: 'write', at: 0, byte: false, user: false },
  ]);
  const { vm, vcpu } = script.world;
  vm.mmu.i32[lastSptep(vm.mmu, vcpu.cpu.r, 0x100_0000, 0) >> 2] ^= 1 << 12;
  expect(() => script.play({ do: 'quota', pages: 64 })).toThrow(
    /audit: .*mapping: [^]* rule: [^]* sptep 0x[^]* last events that touched it:\n +[0-9]+ vcpu 0 [a-z_]+: /,
  );
});

test.each([
  ['guest-physical mapping', NESTED_TLB, NESTED_TLB_END, 4],
  ['paging-structure cache', PDE_CACHE, PAGING_CACHES_END, 8],
] as const)('a %s that outlives its spte is found by the next step', (kind, first, end, words) => {
  const script = playScript({ mmu: 'ept', era: 'v3.11' }, [
    { do: 'paging', paging: '4-level', space: 0, wp: false, nx: false, all: false },
    // Tables whose A bits are set get into the caches: the second walk finds them so.
    { do: 'read', at: 2, user: false },
    { do: 'invlpg', at: 0 },
    { do: 'read', at: 4, user: false },
  ]);
  const { r } = script.world.vcpu.cpu;
  const entry = Array.from({ length: (end - first) / words }, (_, n) => first + n * words).find((at) => r[at] !== 0);
  expect(entry, 'the walk left one').toBeDefined();
  // Page: the third word of both. A page of the control block, which no spte maps.
  r[(entry ?? first) + 2] = 0x1000;
  expect(() => script.play({ do: 'quota', pages: 64 })).toThrow(`audit: tlb: a ${kind} of vCPU 0 leads from 0x`);
});

test('a store that goes astray is found, and a script is printed as code', () => {
  const script = playScript({ mmu: 'ept', era: 'v6.8' }, []);
  script.world.poke32(0x20_0000, 1);
  expect(() => script.seekStrayStore()).toThrow('a store went astray: host byte 0x200000 is 0x1, not 0x0');
  expect(scriptText({ mmu: 'ept', era: 'v6.8' }, [{ do: 'quota', pages: 64 }])).toBe(
    "playScript({ mmu: 'ept', era: 'v6.8' }, [\n  { do: 'quota', pages: 64 },\n]);",
  );
});
