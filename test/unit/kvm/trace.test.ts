import { describe, expect, it } from 'vitest';
import type { Arena } from '../../../core/arena/arena.ts';
import { CLOCK_IDLE_NS, DEV_CLOCK } from '../../../core/arena/device-layout.ts';
import { SP_GFN, SP_MMU_VALID_GEN, SP_ROLE, SP_ROOT_COUNT } from '../../../core/arena/mmu-layout.ts';
import {
  RING_HEAD,
  TRACE_ARGS,
  TRACE_EVENT,
  TRACE_FLAGS,
  TRACE_INSNS,
  TRACE_RECORD_BYTES,
  TRACE_RING_HEADER_BYTES,
  TRACE_VCPU,
} from '../../../core/arena/trace-layout.ts';
import { VCPU_BYTES, VCPU_F_INSNS } from '../../../core/arena/vcpu-layout.ts';
import {
  TP_KVM_AGE_HVA,
  TP_KVM_UNMAP_HVA_RANGE,
  TRACEPOINTS,
  TP_MMU_PREPARE_ZAP_PAGE,
} from '../../../core/base/tracepoints.ts';
import { ftraceLine, traceText } from '../../../core/format/trace-text.ts';
import * as emit from '../../../core/kvm/trace/trace-events.ts';
import { setTraceEnabled, traceEnabled } from '../../../core/kvm/trace/trace.ts';
import { bareArena, photograph } from './memslot-bench.ts';

const traceHead = (arena: Arena): number => arena.f64[(arena.layout.trace + RING_HEAD) >> 3];

function record(arena: Arena, index: number) {
  const at = arena.layout.trace + TRACE_RING_HEADER_BYTES + index * TRACE_RECORD_BYTES;
  return {
    event: arena.u16[(at + TRACE_EVENT) >> 1],
    vcpu: arena.u16[(at + TRACE_VCPU) >> 1],
    insns: arena.f64[(at + TRACE_INSNS) >> 3],
    idleMicroseconds: arena.u32[(at + TRACE_FLAGS) >> 2],
    args: Array.from({ length: 6 }, (_, i) => arena.u64[((at + TRACE_ARGS) >> 3) + i]),
  };
}

function everything(arena: Arena): void {
  const sp = arena.layout.mmuPages;
  arena.f64[(sp + SP_GFN) >> 3] = 0x12_3456_7890;
  arena.i32[(sp + SP_ROLE) >> 2] = 4 | (1 << 13) | (7 << 14);
  arena.i32[(sp + SP_ROOT_COUNT) >> 2] = 1;
  arena.i32[(sp + SP_MMU_VALID_GEN) >> 2] = 3;
  const code = arena.layout.ram;
  arena.u8.set([0x8b, 0x04, 0x25, 0, 0, 0xe0, 0xfe, 0x90, 0x90, 0xf4], code);
  emit.traceKvmEntry(arena, 1);
  emit.traceKvmExit(arena, 1, 48, 0x8100_0000, -1, emit.KVM_ISA_VMX, 0x181, 0, 0, 0);
  emit.traceKvmPageFault(arena, 1, 0xfee0_0000, 0, 0x181);
  emit.traceKvmMmio(arena, 1, emit.KVM_TRACE_MMIO_WRITE, 4, 0xfee0_00b0, 0, -1, 0);
  emit.traceKvmPio(arena, 1, emit.KVM_PIO_OUT, 0x3f8, 1, 1, 0x41);
  emit.traceKvmEmulateInsn(arena, 1, 0, 0x10_0000, 0, 10, emit.KEI_CR0_PE | emit.KEI_CS_L, code, false);
  emit.traceVcpuMatchMmio(arena, 1, 0xc000_1000, 0, 0xfee0_0000, 0, true, false);
  emit.traceKvmUserspaceExit(arena, 1, 6, 0);
  emit.traceKvmInjException(arena, 1, 14, true, 2);
  emit.traceKvmCr(arena, 1, true, 3, 0x1000, 0);
  emit.traceKvmMsr(arena, 1, false, 0xc000_0080, 0x500, 0, false);
  emit.traceKvmInjVirq(arena, 1, 32, false);
  emit.traceKvmHypercall(arena, 1);
  emit.traceMmuGetPage(arena, 1, sp, true);
  emit.traceMmuPage(arena, 1, TP_MMU_PREPARE_ZAP_PAGE, sp);
  emit.traceMarkMmioSpte(arena, 1, 0x123_4568, 0xfee00, 6, 0x7ff6b);
  emit.traceHandleMmioPageFault(arena, 1, 0, 0, 0xfee00, 0);
  emit.traceCheckMmioSpte(arena, 1, 0x7ff6c, 0x7ff6b, 0xfee0_0b5e | 0, 0xfff0_0000 | 0);
  emit.traceFastPageFault(arena, 1, 0x1000, 0, 3, 0x200_0010, 0x12345c75, 0, 0x12345c77, 0, true);
  emit.traceInvalidateZapAllPages(arena, 1, 3, 0x1a2);
  emit.traceUmbraMemslot(arena, 3, 0, 2n, 3n);
  emit.traceKvmAgePage(arena, 1, 0x1000, 0x7f00, 1, true);
  emit.traceHvaRange(arena, TP_KVM_AGE_HVA, 0x7f00_0000_1000n, 0x7f00_0000_2000n);
  emit.traceHvaRange(arena, TP_KVM_UNMAP_HVA_RANGE, 0x7f00_0000_1000n, 0x7f00_0020_0000n);
  emit.traceKvmCpuid(arena, 1, 0, 0, 1);
  arena.i32[arena.layout.shadowPages >> 2] = 0x12345077;
  emit.traceMmuSetSpte(arena, 1, 0x100, arena.layout.shadowPages, 1);
  emit.traceMmuSpteRequested(arena, 1, 0x1234_5000, 0x100, 0x12345, 1);
}

describe('a tracepoint', () => {
  it('that is off does nothing at all', () => {
    const arena = bareArena();
    everything(arena);
    const before = photograph(arena);
    everything(arena);
    expect(Buffer.compare(photograph(arena), before)).toBe(0);
    expect(traceHead(arena)).toBe(0);
  });

  it('that is on is recorded alone, with its moment', () => {
    const arena = bareArena();
    arena.f64[((arena.layout.vcpus + VCPU_BYTES) >> 3) + VCPU_F_INSNS] = 123_456;
    arena.f64[(arena.layout.devices + DEV_CLOCK + CLOCK_IDLE_NS) >> 3] = 2_500_999;
    for (const { id } of TRACEPOINTS) {
      setTraceEnabled(arena, id, true);
      const head = traceHead(arena);
      everything(arena);
      setTraceEnabled(arena, id, false);
      expect(traceEnabled(arena, id)).toBe(false);
      for (let seq = head; seq < traceHead(arena); seq++) {
        expect(record(arena, seq)).toMatchObject({ event: id, idleMicroseconds: 2500 });
      }
    }
    expect(record(arena, 0)).toMatchObject({ vcpu: 1, insns: 123_456 });
    // kvm_mmu_sync_page and _unsync_page are of the same class as _prepare_zap_page and are not emitted above; neither are
    // the five events of a walk of guest tables, which there are none of.
    expect(traceHead(arena)).toBe(TRACEPOINTS.length - 7);
  });

  it('reads as the kernel would print it', () => {
    const arena = bareArena();
    for (const { id } of TRACEPOINTS) setTraceEnabled(arena, id, true);
    everything(arena);
    const texts = Array.from({ length: traceHead(arena) }, (_, i) => record(arena, i)).map(({ event, args }) =>
      traceText(event, args),
    );
    expect(texts).toEqual([
      'vcpu 1',
      'reason EPT_VIOLATION rip 0xffffffff81000000 info 181 0',
      'address fee00000 error_code 181',
      'mmio write len 4 gpa 0xfee000b0 val 0xffffffff',
      'pio_write at 0x3f8 size 1 count 1',
      '0:100000:8b 04 25 00 00 e0 fe 90 90 f4 (prot64)',
      'gva 0xc0001000 gpa 0xfee00000 Write GVA',
      'reason KVM_EXIT_MMIO (6)',
      '#PF (0x2)',
      'cr_write 3 = 0x1000',
      'msr_read c0000080 = 0x500',
      'irq 32',
      'nr 0x0 a0 0x0 a1 0x0 a2 0x0 a3 0x0',
      'sp gen 3 gfn 1234567890 4 q0 direct wux !nxe root 1 sync new',
      'sp gen 3 gfn 1234567890 4 q0 direct wux !nxe root 1 sync',
      'sptep:0000000001234568 gfn fee00 access 6 gen 7ff6b',
      'addr:0 gfn fee00 access 0',
      'spte fff00000fee00b5e kvm_gen 7ff6c spte-gen 7ff6b valid 0',
      'vcpu 1 gva 1000 error_code P|W sptep 0000000002000010 old 0x12345c75 new 12345c77 spurious 0 fixed 1',
      'kvm-mmu-valid-gen 3 used_pages 1a2',
      'slot 3 CREATE gen 2 -> 3',
      'hva 7f0000001000 gfn 1 YOUNG',
      'mmu notifier age hva: 0x007f0000001000 -- 0x007f0000002000',
      'mmu notifier unmap range: 0x007f0000001000 -- 0x007f0000200000',
      'func 0 rax 0 rbx 0 rcx 0 rdx 0',
      `gfn 100 spte 12345077 (rwxu) level 1 at ${arena.layout.shadowPages.toString(16)}`,
      'gfn 100 pfn 12345 level 1',
    ]);
  });

  it('overwrites the oldest record when the ring is full', () => {
    const arena = bareArena();
    setTraceEnabled(arena, 12, true);
    for (let irq = 0; irq < 70; irq++) emit.traceKvmInjVirq(arena, 0, irq, false);
    expect(traceHead(arena)).toBe(70);
    expect(record(arena, 69 % 64).args[0]).toBe(69n);
    expect(record(arena, 6).args[0]).toBe(6n);
    expect(record(arena, 5).args[0]).toBe(69n);
  });

  it('makes a line in the shape of ftrace', () => {
    const args = [0x1n, 0n, 0n, 0n, 0n, 0n];
    expect(ftraceLine({ event: 1, vcpu: 1, insns: 123_456, idleMicroseconds: 3_000_000, args })).toBe(
      ' qemu-system-x86-1001  [001] ....     3.001234: kvm_entry: vcpu 1',
    );
  });
});
