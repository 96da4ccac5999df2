/** kvm_mmu_pte_write: what becomes of the shadow when the guest writes to a table that is write-protected. */
import { describe, expect, it } from 'vitest';
import { VCPU_MMIO_GFN } from '../../../core/arena/vcpu-layout.ts';
import { isPageTableWriter } from '../../../core/kvm/shadow/guest-table-writers.ts';
import { ROLE_INVALID } from '../../../core/kvm/mmu/shadow-page-role.ts';
import { RUN_SHUTDOWN } from '../../../core/kvm/vcpu/vcpu-run.ts';
import { traceIn, tracedIn } from './kvm-fixture.ts';
import { data, FAR, OPEN, P, PAGING_MODES, ShadowRig, W } from './shadow-rig.ts';

/** The window's page table is a page directory's entry 1; entries from 4 on are free for the test. */
const FREE = 4;
const mapped = (rig: ShadowRig, table: number): number => rig.roles(table).length;

describe.each(PAGING_MODES)('a write to a page directory under %s paging', (mode) => {
  const rigged = (): ShadowRig => {
    const rig = new ShadowRig(mode);
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.arena.u8[rig.arena.layout.ram + data(0)] = 0x5a;
    rig.read(rig.page(0));
    return rig;
  };

  it('is emulated and takes the entry out of the shadow', () => {
    const rig = rigged();
    rig.writeEntry(rig.tables.pd, FREE, BigInt(rig.tables.window) | OPEN);
    expect(rig.counters).toMatchObject({ mmu_flooded: 0 });
    expect(rig.counters.mmu_pte_write).toBeGreaterThan(0);
    expect(rig.counters.mmu_pde_zapped, 'one a spte').toBeGreaterThan(0);
    expect(rig.counters.mmu_pte_updated).toBe(0);
    expect(rig.read(FREE * rig.window)).toEqual({ value: 0x5an });
  });

  it('that takes a table away is seen at once', () => {
    const rig = rigged();
    rig.writeEntry(rig.tables.pd, 1, 0n);
    expect(rig.spte(rig.page(0)) & P).toBe(0n);
    expect(rig.read(rig.page(0))).toEqual({ pageFault: 0, cr2: rig.page(0) });
  });

  it('of one byte at the start of an entry is a change of flags, not misaligned', () => {
    const rig = rigged();
    rig.write(rig.tables.pd + rig.entryBytes, OPEN & ~W & 0xffn, 1);
    expect(rig.counters.mmu_flooded).toBe(0);
    expect(rig.write(rig.page(0), 1n)).toEqual({ pageFault: 3, cr2: rig.page(0) });
  });

  it.each([
    ['one byte in the middle of an entry', 1, 1],
    ['two bytes', 0, 2],
  ])('of %s is misaligned and zaps the page', (_what, offset, size) => {
    const rig = rigged();
    const { mmu_shadow_zapped: before } = rig.counters;
    rig.write(rig.tables.pd + 100 * rig.entryBytes + offset, 0n, size);
    expect(rig.counters.mmu_flooded).toBe(mode === '32-bit' ? 4 : 1);
    expect(rig.counters.mmu_shadow_zapped).toBeGreaterThan(before);
    expect(rig.read(rig.page(0)), 'the guest notices nothing').toEqual({ value: 0x5an });
  });

  it('of four bytes over the border of two entries is misaligned with entries of four bytes; else it is taken for one half', () => {
    const rig = rigged();
    rig.write(rig.tables.pd + 100 * rig.entryBytes - 2, 0n, 4);
    expect(rig.counters.mmu_flooded).toBe(mode === '32-bit' ? 4 : 0);
  });
});

describe.each(['4-level', 'pae'] as const)('a page directory under %s paging', (mode) => {
  const rigged = (): ShadowRig => {
    const rig = new ShadowRig(mode);
    for (let n = 0; n < 8; n++) rig.poke(rig.tables.window, 8 * n, BigInt(data(0)) | OPEN);
    rig.arena.u8[rig.arena.layout.ram + data(0)] = 0x5a;
    rig.read(FAR);
    return rig;
  };
  const write = (rig: ShadowRig, n: number): void => void rig.write(rig.tables.far + (100 + n) * 8, 0n, 4);

  it('that is written for the third time is thought to be no table any more: flooding', () => {
    const rig = rigged();
    write(rig, 0);
    write(rig, 1);
    expect(rig.counters.mmu_flooded).toBe(0);
    write(rig, 2);
    expect(rig.counters.mmu_flooded).toBe(1);
    expect(rig.roles(rig.tables.far).filter((role) => (role & ROLE_INVALID) === 0)).toEqual([]);
    expect(rig.read(FAR)).toEqual({ value: 0x5an });
  });

  it('is used as one when the guest walks through it in between', () => {
    const rig = rigged();
    for (let n = 0; n < 7; n++) {
      write(rig, n);
      rig.read(FAR + (n + 1) * 0x8000);
    }
    expect(rig.counters.mmu_flooded).toBe(0);
  });

  it('whose own mapping leads through it is walked through by every write, and never flooded', () => {
    const rig = rigged();
    for (let n = 0; n < 6; n++) rig.write(rig.tables.pd + (100 + n) * 8, 0n, 4);
    expect(rig.counters.mmu_flooded).toBe(0);
  });
});

describe('a write over the border of two entries of eight bytes', () => {
  it('is misaligned', () => {
    const rig = new ShadowRig('4-level');
    rig.read(0x8000);
    rig.write(rig.tables.pd + 804, 0n, 8);
    expect(rig.counters.mmu_flooded).toBe(1);
  });
});

describe('two halves of one entry', () => {
  it('count as writes of the whole entry under PAE paging', () => {
    const rig = new ShadowRig('pae');
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.arena.u8[rig.arena.layout.ram + data(0)] = 0x5a;
    rig.read(rig.page(0));
    rig.write(rig.tables.pd + 8 * FREE + 4, 0n, 4);
    rig.write(rig.tables.pd + 8 * FREE, BigInt(rig.tables.window) | OPEN, 4);
    expect(rig.counters.mmu_flooded).toBe(0);
    expect(rig.read(FREE * rig.window)).toEqual({ value: 0x5an });
  });
});

describe('one entry of 32-bit paging', () => {
  it('in a page directory is two sptes of one quadrant, and of no other', () => {
    const rig = new ShadowRig('32-bit');
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.window, 512, BigInt(data(1)) | OPEN);
    rig.read(rig.page(0));
    rig.read(rig.page(512));
    expect(mapped(rig, rig.tables.window)).toBe(2);
    rig.writeEntry(rig.tables.pd, 1, 0n);
    expect(rig.counters.mmu_pde_zapped, 'the new entry is empty').toBe(0);
    expect(rig.spte(rig.page(0)) & P).toBe(0n);
    expect(rig.spte(rig.page(512)) & P).toBe(0n);
    rig.writeEntry(rig.tables.pd, 1, BigInt(rig.tables.window) | OPEN);
    expect(rig.counters.mmu_pde_zapped).toBe(2);
  });
});

describe('the half of a table of 1024 entries that a write is in', () => {
  const SELF = 3 << 22;
  /** The page directory maps itself as a page table, too: its pages of level 1 stay protected, and are updated by emulation. */
  const rigged = (): ShadowRig => {
    const rig = new ShadowRig('32-bit');
    const { pd, pt } = rig.tables;
    rig.poke(pd, 3, BigInt(pd) | OPEN);
    rig.poke(pd, 512, BigInt(data(0)) | OPEN);
    rig.arena.u8[rig.arena.layout.ram + data(0)] = 0x5a;
    rig.arena.u8[rig.arena.layout.ram + data(1)] = 0xa5;
    expect(rig.read(SELF), 'entry 0, as a page').toEqual({ value: rig.entry(pt, 0) });
    expect(rig.read(SELF + 0x20_0000), 'entry 512, as a page').toEqual({ value: 0x5an });
    return rig;
  };

  it('is the quadrant whose spte changes; the spte at the same place of the other stays', () => {
    const rig = rigged();
    const { pd, pt } = rig.tables;
    const other = rig.spte(SELF);
    rig.writeEntry(pd, 512, BigInt(data(1)) | OPEN);
    expect(rig.counters.mmu_flooded).toBe(0);
    expect(rig.spte(SELF)).toBe(other);
    expect(rig.read(SELF)).toEqual({ value: rig.entry(pt, 0) });
    expect(rig.read(SELF + 0x20_0000)).toEqual({ value: 0xa5n });
  });

  it('is one of four for a page directory: sptes of the other three are not zapped', () => {
    const rig = rigged();
    rig.read(0x8000);
    const kept = rig.spte(0x8000);
    expect(kept & P).toBe(P);
    rig.writeEntry(rig.tables.pd, 512, 0n);
    expect(rig.spte(0x8000)).toBe(kept);
  });
});

describe('a page that holds its own mapping', () => {
  it('can be written nevertheless, by emulation', () => {
    const rig = new ShadowRig('4-level');
    // The window's table maps itself at page 5.
    rig.poke(rig.tables.window, 5, BigInt(rig.tables.window) | OPEN);
    rig.poke(rig.tables.pd, 3, BigInt(rig.tables.pd) | OPEN);
    rig.arena.u8[rig.arena.layout.ram + data(3)] = 0x33;
    expect(rig.write(rig.page(5) + 8 * 7, BigInt(data(3)) | OPEN, 8)).toEqual({ value: BigInt(data(3)) | OPEN });
    expect(rig.read(rig.page(7))).toEqual({ value: 0x33n });
  });
});

describe('event delivery onto a page that is a guest table', () => {
  it('goes through after the table has lost its shadow: kvm_mmu_unprotect_page_virt', () => {
    const rig = new ShadowRig('4-level');
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.read(FAR);
    // The stack of faults is moved to the end of a page directory.
    rig.arena.view.setUint32(rig.arena.layout.ram + 0x3804, rig.tables.far + 0xf00, true);
    rig.cpl = 3;
    expect(rig.read(rig.page(1))).toEqual({ pageFault: 4, cr2: rig.page(1) });
    expect(rig.entry(rig.tables.far, 0xf00 / 8 - 5), 'RIP of the frame').toBe(0x1000n);
    expect(rig.roles(rig.tables.far)).toEqual([]);
  });

  it('and so does INT n, whose pushes the emulator does not make', () => {
    const rig = new ShadowRig('4-level');
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    rig.read(FAR);
    rig.arena.view.setUint32(rig.arena.layout.ram + 0x3804, rig.tables.far + 0xf00, true);
    rig.arena.view.setUint16(rig.arena.layout.ram + 0x2000 + 16 * 3 + 4, 0xee00, true);
    rig.cpl = 3;
    rig.breakpoint();
    expect(rig.entry(rig.tables.far, 0xf00 / 8 - 5), 'RIP of the frame').toBe(0x1001n);
  });

  it('that the guest has not mapped is a double fault, and then the end', () => {
    const rig = new ShadowRig('4-level');
    rig.arena.view.setUint32(rig.arena.layout.ram + 0x3804, rig.page(9), true);
    rig.cpl = 3;
    rig.read(rig.page(1));
    expect(rig.stops).toContain(RUN_SHUTDOWN);
  });
});

describe('a write to a table by an instruction that is none for page tables', () => {
  it('takes the shadow away and is executed by the guest; twice in a row it is emulated', () => {
    const rig = new ShadowRig('4-level');
    rig.poke(rig.tables.window, 0, BigInt(data(0)) | OPEN);
    const at = rig.tables.far + 0x800;
    traceIn(rig.arena, ['kvm_emulate_insn']);
    const shadowed = (): boolean => rig.roles(rig.tables.far).some((role) => (role & ROLE_INVALID) === 0);
    for (const [round, kept] of [false, true, false, true].entries()) {
      rig.read(FAR);
      const writes = rig.counters.mmu_pte_write;
      rig.increment(at);
      expect(rig.byteAt(at), 'done once').toBe(round + 1);
      expect(shadowed(), `round ${round}`).toBe(kept);
      expect(rig.counters.mmu_pte_write - writes).toBe(kept ? 1 : 0);
    }
    expect(rig.counters.insn_emulation).toBe(4);
    expect(tracedIn(rig.arena), 'decoded each time').toHaveLength(4);
  });

  it('is no MMIO where its linear address equals a cached guest physical one: is_mmio_page_fault', () => {
    const rig = new ShadowRig('4-level');
    const gva = 8 * rig.window;
    rig.poke(rig.tables.window, 0, BigInt(gva) | OPEN);
    rig.poke(rig.tables.window, 1, BigInt(data(0)) | OPEN);
    rig.poke(rig.tables.pd, 8, BigInt(rig.tables.spare) | OPEN);
    rig.poke(rig.tables.spare, 0, BigInt(rig.tables.far) | OPEN);
    rig.read(FAR + 0x1000);
    rig.read(rig.page(0));
    expect(rig.r[VCPU_MMIO_GFN] * 0x1000).toBe(gva);
    const { mmu_pte_write: writes } = rig.counters;
    rig.increment(gva + 0x800);
    expect(rig.byteAt(rig.tables.far + 0x800)).toBe(1);
    expect(rig.counters.mmu_pte_write, 'the shadow went instead').toBe(writes);
  });

  it.each([
    ['mov [rdi], eax', [0x89, 0x07, 0x90], true],
    ['mov rax, [rdi]', [0x48, 0x8b, 0x07], false],
    ['lock or dword [rdi], 1', [0xf0, 0x83, 0x0f, 0x01], true],
    ['add dword [rdi], 1', [0x83, 0x07, 0x01], false],
    ['and qword [rdi], 1', [0x48, 0x83, 0x27, 0x01], true],
    ['xchg [rdi], rax', [0x48, 0x87, 0x07], true],
    ['lock cmpxchg [rdi], rcx', [0xf0, 0x48, 0x0f, 0xb1, 0x0f], true],
    ['lock cmpxchg8b [rdi]', [0xf0, 0x0f, 0xc7, 0x0f], true],
    ['btr qword [rdi], 1', [0x48, 0x0f, 0xba, 0x37, 0x01], false],
    ['bts qword [rdi], 1', [0x48, 0x0f, 0xba, 0x2f, 0x01], true],
    ['mov dword [rdi], 0', [0xc7, 0x07, 0, 0, 0, 0], true],
    ['rep stosq', [0xf3, 0x48, 0xab], false],
    ['push rax', [0x50, 0x90, 0x90], false],
  ] as const)('%s: is it one? %s', (_text, bytes, writer) => {
    const code = Uint8Array.from([...bytes, 0x90, 0x90, 0x90]);
    expect(isPageTableWriter(code, 0, code.length, true)).toBe(writer);
  });
});
