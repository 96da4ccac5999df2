/** KVM_MEM_READONLY: reads are RAM, writes are MMIO, and nothing turns the one into the other. */
import { describe, expect, it } from 'vitest';
import { CS, SEG_BASE, SEGMENT_WORDS, VCPU_RIP, VCPU_SEGMENTS } from '../../../core/arena/vcpu-layout.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import { MMU_MODES } from '../../../core/base/machine-modes.ts';
import { RESUME_GUEST } from '../../../core/kvm/exits/exit-handlers-emulate.ts';
import { KvmFixture, MIB } from './kvm-fixture.ts';

const LOG_DIRTY = 1;
const READONLY = 2;

describe.each(MMU_MODES)('a read-only slot under %s', (mmu) => {
  function fixture(flags = READONLY): KvmFixture {
    const kvm = new KvmFixture({ mmu });
    kvm.slot(0, 0n, MIB, flags);
    kvm.touch(0x5000n);
    return kvm;
  }
  /** A write to a page that is mapped, as hardware reports it. */
  const write = (kvm: KvmFixture, gpa: bigint): number => {
    kvm.writes(gpa, 0xbeefn, 2);
    if (mmu === 'ept') return kvm.eptViolation(gpa, 0x1aa);
    return mmu === 'npt' ? kvm.nestedFault(gpa, 7) : kvm.shadowFault(gpa, 3);
  };

  it('is mapped for reading: neither W nor one of the writeable bits', () => {
    expect(fixture().spte(0x5000n) & 0xc02n).toBe(0n);
  });

  it('sends each write to user space and leaves the memory as it was', () => {
    const kvm = fixture();
    for (let n = 0; n < 3; n++) expect(write(kvm, 0x5008n)).toBe(RESUME_GUEST);
    expect(kvm.bus.accesses).toHaveLength(3);
    expect(kvm.bus.accesses[0]).toEqual({ write: true, gpa: 0x5008n, size: 2, value: 0xbeefn });
    expect(kvm.arena.i32[(kvm.arena.layout.ram + 0x5008) >> 2]).toBe(0);
    expect(kvm.vm.mmioSpteCounts().live, 'no MMIO spte: the page must stay readable').toBe(0);
    expect(kvm.spte(0x5000n) & 1n).toBe(1n);
  });

  it('sends a first write there too, with nothing mapped, and maps nothing for it', () => {
    const kvm = fixture();
    kvm.touch(0x9000n, true);
    expect(kvm.bus.accesses).toHaveLength(1);
    expect(kvm.spte(0x9000n)).toBe(0n);
  });

  it('lets the guest try again first when no writer of page tables writes: EMULTYPE_RETRY', () => {
    const kvm = fixture();
    const { r } = kvm.cpu;
    // inc dword [rdi]
    kvm.arena.u8.set([0xff, 0x07, 0x90], kvm.arena.layout.ram + 0x3000);
    r[VCPU_RIP] = 0x3000;
    r[VCPU_SEGMENTS + CS * SEGMENT_WORDS + SEG_BASE] = 0;
    const emulated = kvm.cpu.emulated;
    expect(write(kvm, 0x5008n)).toBe(RESUME_GUEST);
    expect(kvm.cpu.emulated, 'kvm_mmu_unprotect_page finds nothing').toBe(emulated);
    expect(write(kvm, 0x5008n)).toBe(RESUME_GUEST);
    expect(kvm.cpu.emulated, 'the same again is emulated').toBe(emulated + 1);
    expect(kvm.bus.accesses).toHaveLength(1);
  });

  it('is not prefetched: prefetching asks for frames that can be written', () => {
    expect(fixture().spte(0x3000n)).toBe(0n);
  });

  it('marks nothing dirty while it logs', () => {
    const kvm = fixture(READONLY | LOG_DIRTY);
    write(kvm, 0x5008n);
    const log = kvm.vm.getDirtyLog(0);
    expect(log.ok && log.value.every((byte) => byte === 0)).toBe(true);
  });

  it('cannot become writable, nor the other way round, but its log can be switched', () => {
    const kvm = fixture();
    const region = { slot: 0, guestPhysAddr: 0n, memorySize: MIB, userspaceAddr: HVA_BASE };
    expect(kvm.vm.setUserMemoryRegion({ ...region, flags: 0 })).toMatchObject({ error: { errno: 'EINVAL' } });
    expect(kvm.vm.setUserMemoryRegion({ ...region, flags: READONLY | LOG_DIRTY })).toMatchObject({ ok: true });
  });
});
