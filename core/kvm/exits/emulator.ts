/**
 * Memory and ports as KVM's instruction emulator sees them (emulator_read_write, vcpu_mmio_gva_to_gpa and
 * emulator_pio_*_emulated of arch/x86/kvm/x86.c, v3.11). The instruction itself is executed by core/x86; whatever of its
 * accesses is not plain RAM in the TLB comes here.
 */
import { VCPU_CPL, VCPU_EXIT_REASON, VCPU_MMIO_ACCESS } from '../../arena/vcpu-layout.ts';
import {
  ABORT_EXIT,
  ABORT_NONE,
  ABORT_UNIMPLEMENTED,
  type Cpu,
  type EmulatorOps,
  GUEST_WALK_GPA,
  type GuestFrames,
  raisePageFault,
  nextPageHigh,
  noteGuestWrite,
  VECTOR_PF,
  walkGuest,
} from '../../x86/index.ts';
import { guestWalkTraced, traceGuestWalk } from '../trace/trace-guest-walk.ts';
import type { VmBus } from '../bus.ts';
import { markPageDirty } from '../memslots/dirty-log.ts';
import { isPaging } from '../shadow/guest-paging.ts';
import { permissionFault, walkAddr } from '../shadow/guest-table-walk.ts';
import { mmuPteWrite } from '../shadow/guest-table-write.ts';
import { gfnToPfn } from '../memslots/memslots.ts';
import { mmioCacheIsSuspect, nameServedMmio } from '../mmio/mmio-bugs.ts';
import { ERA_V6_8 } from '../eras.ts';
import { cachedMmioGpaHigh, cachedMmioGpaLow, vcpuMatchMmioGpa, vcpuMatchMmioGva } from '../mmio/mmio-cache.ts';
import { gfnOf } from '../mmio/mmio-predict.ts';
import type { MmioRecord } from '../mmio/mmio-record.ts';
import { MMU_SHADOW, type Mmu } from '../mmu/mmu.ts';
import { PFERR_FETCH_MASK, PFERR_USER_MASK, PFERR_WRITE_MASK } from '../mmu/mmu-fault-error.ts';
import { vcpuCounterWord } from '../trace/stats.ts';
import {
  KVM_PIO_IN,
  KVM_PIO_OUT,
  KVM_TRACE_MMIO_READ,
  KVM_TRACE_MMIO_READ_UNSATISFIED,
  KVM_TRACE_MMIO_WRITE,
  traceKvmInjException,
  traceKvmMmio,
  traceKvmPio,
  traceKvmUserspaceExit,
  traceVcpuMatchMmio,
} from '../trace/trace-events.ts';
import { KVM_EXIT_IO, KVM_EXIT_MMIO, NO_EXIT } from '../vcpu/vcpu-exit-reasons.ts';

/** APIC_DEFAULT_PHYS_BASE: always treated as MMIO, "for APIC access vmexit". */
const APIC_DEFAULT_PHYS_BASE = 0xfee0_0000 | 0;

/** Answers of {@link KvmEmulator.gvaToGpa}. */
const FAULTED = -1;
const MEMORY = 0;
const MMIO = 1;

/** The bytes of a value that an access of `size` has. */
export const lowOf = (lo: number, size: number): number => (size >= 4 ? lo : lo & ((1 << (8 * size)) - 1));
export const highOf = (hi: number, size: number): number =>
  size === 8 ? hi : size <= 4 ? 0 : hi & ((1 << (8 * (size - 4))) - 1);

export class KvmEmulator implements EmulatorOps, GuestFrames {
  private readonly mmu: Mmu;
  private readonly cpu: Cpu;
  private readonly bus: VmBus;
  private readonly record: MmioRecord;
  private readonly vcpuId: number;
  /** vcpu->mmio_needed: an access of the current instruction went to user space. */
  mmioNeeded = false;
  private gpaLo = 0;
  private gpaHi = 0;
  /** The bytes of an access that crosses a page, while it is put together. */
  private readonly bytes = new Uint8Array(8);

  constructor(mmu: Mmu, cpu: Cpu, vcpuId: number, bus: VmBus, record: MmioRecord) {
    this.mmu = mmu;
    this.cpu = cpu;
    this.vcpuId = vcpuId;
    this.bus = bus;
    this.record = record;
  }

  readData(cpu: Cpu, gvaLo: number, gvaHi: number, size: number): number {
    const first = 4096 - (gvaLo & 0xfff);
    if (first < size) return this.readCrossing(cpu, gvaLo, gvaHi, size, first);
    cpu.hi = 0;
    const kind = this.gvaToGpa(cpu, gvaLo, gvaHi, false);
    if (kind === FAULTED) return 0;
    if (kind === MEMORY) {
      const at = this.frameOf(this.gpaLo, this.gpaHi, false);
      if (at >= 0) return this.load(cpu, at, size);
    }
    const lo = this.mmioRead(this.gpaLo, this.gpaHi, size);
    cpu.hi = this.bus.hi;
    return lo;
  }

  writeData(cpu: Cpu, gvaLo: number, gvaHi: number, size: number, lo: number, hi: number): void {
    const first = 4096 - (gvaLo & 0xfff);
    if (first < size) {
      this.writeCrossing(cpu, gvaLo, gvaHi, size, first, lo, hi);
      return;
    }
    const kind = this.gvaToGpa(cpu, gvaLo, gvaHi, true);
    if (kind === FAULTED) return;
    if (kind === MEMORY) {
      const at = this.frameOf(this.gpaLo, this.gpaHi, true);
      if (at >= 0) {
        this.store(this.gpaLo, this.gpaHi, at, size, lo, hi);
        return;
      }
    }
    this.mmioWrite(this.gpaLo, this.gpaHi, size, lo, hi);
  }

  /** emulator_pio_in: traced as user space is asked, and since 5.x, with the value, when it has answered. */
  portIn(port: number, size: number): number {
    const { arena, era } = this.mmu;
    const value = this.bus.pioRead(port, size);
    if (era === ERA_V6_8) this.exitToUser(KVM_EXIT_IO);
    traceKvmPio(arena, this.vcpuId, KVM_PIO_IN, port, size, 1, value);
    if (era !== ERA_V6_8) this.exitToUser(KVM_EXIT_IO);
    return value;
  }

  portOut(port: number, size: number, value: number): void {
    traceKvmPio(this.mmu.arena, this.vcpuId, KVM_PIO_OUT, port, size, 1, value);
    this.exitToUser(KVM_EXIT_IO);
    this.bus.pioWrite(port, size, value);
  }

  /** KVM_RUN comes back, user space answers and calls it again. */
  private exitToUser(reason: number): void {
    traceKvmUserspaceExit(this.mmu.arena, this.vcpuId, reason, 0);
  }

  /** Arena offset of a guest physical byte, through the memslots; −1 when it is not plain memory (or not writable). */
  frameOf(gpaLo: number, gpaHi: number, write: boolean): number {
    const gfn = gfnOf(gpaLo, gpaHi);
    const pfn = gfnToPfn(this.mmu.arena, gfn, write);
    if (pfn < 0) return -1;
    if (write) markPageDirty(this.mmu.arena, gfn);
    return (pfn << 12) | (gpaLo & 0xfff);
  }

  /**
   * kvm_fetch_guest_virt: instructions come from memslots, whatever the MMIO cache and the second level say of their frame.
   * Where none is (X86EMUL_IO_NEEDED) the instruction cannot be decoded.
   */
  fetch(cpu: Cpu, gvaLo: number, gvaHi: number): number {
    const { r } = cpu;
    cpu.abort = ABORT_NONE;
    r[VCPU_EXIT_REASON] = NO_EXIT;
    const user = r[VCPU_CPL] === 3 ? PFERR_USER_MASK : 0;
    if (!this.walk(cpu, gvaLo, gvaHi, user | PFERR_FETCH_MASK)) return -1;
    const gpaLo = (r[GUEST_WALK_GPA] & ~0xfff) | (gvaLo & 0xfff);
    const gpaHi = r[GUEST_WALK_GPA + 1];
    const at = this.frameOf(gpaLo, gpaHi, false);
    if (at < 0) {
      const gfn = gfnOf(gpaLo, gpaHi).toString(16);
      cpu.abort = ABORT_UNIMPLEMENTED;
      cpu.unimplemented = `its gfn 0x${gfn} is in no memslot, and instructions cannot be fetched from MMIO`;
    }
    return at;
  }

  /** inject_emulated_exception. */
  injects(vector: number, hasError: boolean, errorCode: number): void {
    const { mmu, vcpuId } = this;
    traceKvmInjException(mmu.arena, vcpuId, vector, hasError, errorCode);
    if (vector === VECTOR_PF) mmu.f64[vcpuCounterWord(mmu.arena, vcpuId, 'pf_guest')] += 1;
  }

  /** vcpu_mmio_gva_to_gpa. The gpa is left in `gpaLo` and `gpaHi`. */
  private gvaToGpa(cpu: Cpu, gvaLo: number, gvaHi: number, write: boolean): number {
    const { r } = cpu;
    const { arena } = this.mmu;
    const access = (r[VCPU_CPL] === 3 ? PFERR_USER_MASK : 0) | (write ? PFERR_WRITE_MASK : 0);
    if (vcpuMatchMmioGva(this.mmu, r, gvaLo, gvaHi) && this.cachedAccessAllows(r, access)) {
      this.gpaLo = cachedMmioGpaLow(r) | (gvaLo & 0xfff);
      this.gpaHi = cachedMmioGpaHigh(r);
      if (mmioCacheIsSuspect(this.mmu, r)) nameServedMmio(this.mmu, r, this.vcpuId, this.gpaLo, this.gpaHi, write);
      traceVcpuMatchMmio(arena, this.vcpuId, gvaLo, gvaHi, this.gpaLo, this.gpaHi, write, false);
      return MMIO;
    }
    if (!this.walk(cpu, gvaLo, gvaHi, access)) return FAULTED;
    const gpaLo = (r[GUEST_WALK_GPA] & ~0xfff) | (gvaLo & 0xfff);
    const gpaHi = r[GUEST_WALK_GPA + 1];
    this.gpaLo = gpaLo;
    this.gpaHi = gpaHi;
    if (gpaHi === 0 && (gpaLo & ~0xfff) === APIC_DEFAULT_PHYS_BASE) return MMIO;
    if (vcpuMatchMmioGpa(this.mmu, r, gpaLo, gpaHi)) {
      if (mmioCacheIsSuspect(this.mmu, r)) nameServedMmio(this.mmu, r, this.vcpuId, gpaLo, gpaHi, write);
      traceVcpuMatchMmio(arena, this.vcpuId, gvaLo, gvaHi, gpaLo, gpaHi, write, true);
      return MMIO;
    }
    return MEMORY;
  }

  /** Only the shadow MMU caches a gva; of a guest without paging every access is allowed. */
  private cachedAccessAllows(r: Int32Array, access: number): boolean {
    return !isPaging(r) || !permissionFault(r, r[VCPU_MMIO_ACCESS], access);
  }

  /**
   * gva_to_gpa. The hardware has just walked the same way, so its paging-structure caches know most of it; where it could not
   * (a table that the second level does not map) the tables are read through the memslots, as KVM always does. Under the
   * shadow MMU the hardware knows nothing of the guest's tables.
   */
  private walk(cpu: Cpu, gvaLo: number, gvaHi: number, access: number): boolean {
    if (this.mmu.mode === MMU_SHADOW && isPaging(cpu.r)) return this.walkShadowed(cpu, gvaLo, gvaHi, access);
    if (guestWalkTraced(this.mmu.arena)) traceGuestWalk(this.mmu.arena, this.vcpuId, gvaLo, gvaHi, access);
    if (walkGuest(cpu, gvaLo, gvaHi, access)) return true;
    if (cpu.abort !== ABORT_EXIT) return false;
    cpu.abort = ABORT_NONE;
    cpu.r[VCPU_EXIT_REASON] = NO_EXIT;
    return walkGuest(cpu, gvaLo, gvaHi, access, this);
  }

  private walkShadowed(cpu: Cpu, gvaLo: number, gvaHi: number, access: number): boolean {
    const { walker } = this.mmu;
    if (!walkAddr(this.mmu, cpu, walker, gvaLo, gvaHi, access)) {
      raisePageFault(cpu, gvaLo, gvaHi, walker.errorCode);
      return false;
    }
    cpu.r[GUEST_WALK_GPA] = walker.gfn << 12;
    cpu.r[GUEST_WALK_GPA + 1] = (walker.gfn / 0x10_0000) | 0;
    return true;
  }

  /** emulator_read_write over two pages: both are translated before any device is asked. */
  private readCrossing(cpu: Cpu, gvaLo: number, gvaHi: number, size: number, first: number): number {
    const kindA = this.gvaToGpa(cpu, gvaLo, gvaHi, false);
    if (kindA === FAULTED) return 0;
    const gpaALo = this.gpaLo;
    const gpaAHi = this.gpaHi;
    const nextLo = (gvaLo + first) | 0;
    const nextHi = nextPageHigh(cpu.codeBits(), nextLo, gvaHi);
    const kindB = this.gvaToGpa(cpu, nextLo, nextHi, false);
    if (kindB === FAULTED) return 0;
    const gpaBLo = this.gpaLo;
    const gpaBHi = this.gpaHi;
    const fromA = kindA === MEMORY ? this.frameOf(gpaALo, gpaAHi, false) : -1;
    const fromB = kindB === MEMORY ? this.frameOf(gpaBLo, gpaBHi, false) : -1;
    const toUser = fromA < 0 || fromB < 0;
    // mmio_fragments[0], and with it, as in KVM, the length of the second part.
    const gpaLo = fromA < 0 ? gpaALo : gpaBLo;
    const gpaHi = fromA < 0 ? gpaAHi : gpaBHi;
    if (toUser) this.traceMmio(KVM_TRACE_MMIO_READ_UNSATISFIED, size - first, gpaLo, gpaHi, 0, 0);
    this.readFragment(fromA, gpaALo, gpaAHi, 0, first);
    this.readFragment(fromB, gpaBLo, gpaBHi, first, size - first);
    this.bytes.fill(0, size);
    const b = this.bytes;
    const lo = b[0] | (b[1] << 8) | (b[2] << 16) | (b[3] << 24);
    const hi = b[4] | (b[5] << 8) | (b[6] << 16) | (b[7] << 24);
    if (toUser) this.traceMmio(KVM_TRACE_MMIO_READ, size, gpaLo, gpaHi, lo, hi);
    cpu.hi = hi;
    return lo;
  }

  /** @param from offset of the bytes in memory, −1: they are user space's */
  private readFragment(from: number, gpaLo: number, gpaHi: number, at: number, size: number): void {
    const { bytes } = this;
    if (from >= 0) {
      for (let i = 0; i < size; i++) bytes[at + i] = this.mmu.arena.u8[from + i];
      return;
    }
    const lo = this.readFromUser(gpaLo, gpaHi, size);
    const { hi } = this.bus;
    for (let i = 0; i < size; i++) bytes[at + i] = i < 4 ? lo >>> (8 * i) : hi >>> (8 * (i - 4));
  }

  private writeCrossing(
    cpu: Cpu,
    gvaLo: number,
    gvaHi: number,
    size: number,
    first: number,
    lo: number,
    hi: number,
  ): void {
    const kindA = this.gvaToGpa(cpu, gvaLo, gvaHi, true);
    if (kindA === FAULTED) return;
    const gpaALo = this.gpaLo;
    const gpaAHi = this.gpaHi;
    // As in KVM, the part that is memory is written before the second page is translated; MMIO fragments wait for both.
    const atA = kindA === MEMORY ? this.frameOf(gpaALo, gpaAHi, true) : -1;
    if (atA >= 0) this.store(gpaALo, gpaAHi, atA, first, lo, hi);
    else this.traceMmio(KVM_TRACE_MMIO_WRITE, first, gpaALo, gpaAHi, lowOf(lo, first), highOf(hi, first));
    const nextLo = (gvaLo + first) | 0;
    const nextHi = nextPageHigh(cpu.codeBits(), nextLo, gvaHi);
    const kindB = this.gvaToGpa(cpu, nextLo, nextHi, true);
    if (kindB === FAULTED) return;
    const gpaBLo = this.gpaLo;
    const gpaBHi = this.gpaHi;
    const atB = kindB === MEMORY ? this.frameOf(gpaBLo, gpaBHi, true) : -1;
    const { bytes } = this;
    for (let i = 0; i < size; i++) bytes[i] = i < 4 ? lo >>> (8 * i) : hi >>> (8 * (i - 4));
    const rest = size - first;
    let restLo = 0;
    let restHi = 0;
    for (let i = 0; i < rest; i++) {
      if (i < 4) restLo |= bytes[first + i] << (8 * i);
      else restHi |= bytes[first + i] << (8 * (i - 4));
    }
    if (atB >= 0) this.store(gpaBLo, gpaBHi, atB, rest, restLo, restHi);
    else this.traceMmio(KVM_TRACE_MMIO_WRITE, rest, gpaBLo, gpaBHi, restLo, restHi);
    if (atA < 0) this.writeToUser(gpaALo, gpaAHi, first, lo, hi);
    if (atB < 0) this.writeToUser(gpaBLo, gpaBHi, rest, restLo, restHi);
  }

  private load(cpu: Cpu, at: number, size: number): number {
    const { u8, view } = this.mmu.arena;
    if (size === 1) return u8[at];
    if (size === 2) return view.getUint16(at, true);
    if (size === 8) cpu.hi = view.getInt32(at + 4, true);
    return view.getInt32(at, true);
  }

  /** emulator_write_phys: the bytes, then whatever shadows them. */
  private store(gpaLo: number, gpaHi: number, at: number, size: number, lo: number, hi: number): void {
    const { u8, i32 } = this.mmu.arena;
    if ((at & 3) === 0 && (size === 4 || size === 8)) {
      // In words, like copy_to_user: whoever walks the table meanwhile reads no half of one. What makes an entry present goes last.
      if (size === 8) i32[(at >> 2) + 1] = hi;
      i32[at >> 2] = lo;
    } else for (let i = 0; i < size; i++) u8[at + i] = i < 4 ? lo >>> (8 * i) : hi >>> (8 * (i - 4));
    noteGuestWrite(this.cpu, at, size);
    mmuPteWrite(this.mmu, this.vcpuId, gpaLo, gpaHi, size, lo, hi);
  }

  private traceMmio(type: number, size: number, gpaLo: number, gpaHi: number, lo: number, hi: number): void {
    traceKvmMmio(this.mmu.arena, this.vcpuId, type, size, gpaLo, gpaHi, lo, hi);
  }

  /**
   * A read that is all user space's: read_exit_mmio says that nobody in the kernel can satisfy it, whoever can later on, and
   * read_prepare what it came to.
   */
  private mmioRead(gpaLo: number, gpaHi: number, size: number): number {
    this.traceMmio(KVM_TRACE_MMIO_READ_UNSATISFIED, size, gpaLo, gpaHi, 0, 0);
    const lo = this.readFromUser(gpaLo, gpaHi, size);
    this.traceMmio(KVM_TRACE_MMIO_READ, size, gpaLo, gpaHi, lo, this.bus.hi);
    return lo;
  }

  private mmioWrite(gpaLo: number, gpaHi: number, size: number, lo: number, hi: number): void {
    this.traceMmio(KVM_TRACE_MMIO_WRITE, size, gpaLo, gpaHi, lowOf(lo, size), highOf(hi, size));
    this.writeToUser(gpaLo, gpaHi, size, lo, hi);
  }

  /** One fragment of at most 8 bytes. The low half is returned, the high half left in `bus.hi`. */
  private readFromUser(gpaLo: number, gpaHi: number, size: number): number {
    const { bus } = this;
    this.exitToUser(KVM_EXIT_MMIO);
    const lo = lowOf(bus.mmioRead(gpaLo, gpaHi, size), size);
    bus.hi = highOf(bus.hi, size);
    this.record.noteDispatch(false, size, lo, bus.hi, bus.device);
    this.mmioNeeded = true;
    return lo;
  }

  private writeToUser(gpaLo: number, gpaHi: number, size: number, lo: number, hi: number): void {
    const { bus } = this;
    const low = lowOf(lo, size);
    const high = highOf(hi, size);
    this.exitToUser(KVM_EXIT_MMIO);
    bus.mmioWrite(gpaLo, gpaHi, size, low, high);
    this.record.noteDispatch(true, size, low, high, bus.device);
    this.mmioNeeded = true;
  }
}
