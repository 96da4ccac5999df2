/**
 * The MMIO exit whose end is known from the start: the vCPU's cache or a fresh MMIO spte says that the access goes to user
 * space, the instruction does nothing but this one access, and nobody watches. Such an exit is handled here, with the
 * instruction still in progress, and comes to what handleExit and the emulator come to: the same checks, counters, cache,
 * record and device access, in the same order. Everything else is left to them, with nothing of it begun.
 *
 * It saves abandoning the instruction, going through the vCPU's loop, and finding and executing the instruction again:
 * about half of an exit's time (docs/performance.md). test/property/mmio-exits-in-place.test.ts holds both ways together.
 */
import {
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_EXIT_GPA,
  VCPU_EXIT_GVA,
  VCPU_EXIT_INSN_LENGTH,
  VCPU_EXIT_QUALIFICATION,
  VCPU_EXIT_REASON,
  VCPU_F_INSNS,
  VCPU_MMIO_ACCESS,
  VCPU_REQUESTS,
  VCPU_RIP,
  VCPU_SKIP_MMIO_STOP,
} from '../../arena/vcpu-layout.ts';
import { MMIO_CACHED, MMIO_EMULATE } from '../../base/mmio-outcomes.ts';
import {
  ABORT_NONE,
  EXIT_EPT_MISCONFIG,
  EXIT_EXCEPTION_NMI,
  EXIT_NPF,
  lastAccessIsFinal,
  type Cpu,
  type ExitsInPlace,
} from '../../x86/index.ts';
import { highOf, lowOf } from '../exits/emulator.ts';
import { enterGuestMode, leaveGuestMode } from '../vcpu/guest-mode.ts';
import { isPaging } from '../shadow/guest-paging.ts';
import { permissionFault } from '../shadow/guest-table-walk.ts';
import { ERA_V3_10, ERA_V6_8 } from '../eras.ts';
import {
  cachedMmioGpaHigh,
  cachedMmioGpaLow,
  vcpuCacheMmioInfo,
  vcpuMatchMmioGen,
  vcpuMatchMmioGpa,
  vcpuMatchMmioGva,
} from './mmio-cache.ts';
import { currentGeneration, freshGeneration } from './mmio-spte.ts';
import { PFERR_RSVD_MASK, PFERR_USER_MASK, PFERR_WRITE_MASK } from '../mmu/mmu-fault-error.ts';
import { isMmio } from '../mmu/mmu-spte.ts';
import { VCPU_IN_GUEST } from '../mmu/mmu-words.ts';
import { lastSptep, locklessBegin, locklessEnd, signFree, spteLockless } from '../mmu/mmu-walk.ts';
import { mmioSpteAccess, mmioSpteGeneration, mmioSpteGfn } from '../spte/spte-mmio.ts';
import { anyTraceEnabled } from '../trace/trace.ts';
import type { VcpuContext } from '../vcpu/vcpu-context.ts';
import { NO_EXIT } from '../vcpu/vcpu-exit-reasons.ts';

const READ = 0;
const WRITE = 1;

/** Whether the guest's rights on an MMIO page forbid the access: the guest's fault, and the whole way's business. */
const refuses = (r: Int32Array, rights: number, access: number): boolean =>
  permissionFault(r, rights, (access === WRITE ? PFERR_WRITE_MASK : 0) | (r[VCPU_CPL] === 3 ? PFERR_USER_MASK : 0));

export class MmioExitsInPlace implements ExitsInPlace {
  private readonly vcpu: VcpuContext;
  /** Where the access goes. */
  private gpaLo = 0;
  private gpaHi = 0;

  constructor(vcpu: VcpuContext) {
    this.vcpu = vcpu;
  }

  load(cpu: Cpu, size: number): number {
    if (!this.begin(cpu, READ)) return 0;
    const { bus, record } = this.vcpu;
    const lo = lowOf(bus.mmioRead(this.gpaLo, this.gpaHi, size), size);
    const hi = highOf(bus.hi, size);
    cpu.hi = hi;
    record.noteDispatch(false, size, lo, hi, bus.device);
    this.end(cpu);
    return lo;
  }

  store(cpu: Cpu, size: number, lo: number, hi: number): void {
    if (!this.begin(cpu, WRITE)) return;
    const { bus, record } = this.vcpu;
    const low = lowOf(lo, size);
    const high = highOf(hi, size);
    bus.mmioWrite(this.gpaLo, this.gpaHi, size, low, high);
    record.noteDispatch(true, size, low, high, bus.device);
    this.end(cpu);
  }

  /** Everything up to the device. False: not one of these exits, and nothing has happened. */
  private begin(cpu: Cpu, access: number): boolean {
    const { vcpu } = this;
    const { mmu, r, f, record } = vcpu;
    const reason = r[VCPU_EXIT_REASON];
    const misconfig = reason === EXIT_EPT_MISCONFIG;
    if (!misconfig && (reason === EXIT_NPF || reason === EXIT_EXCEPTION_NMI)) {
      if ((r[VCPU_EXIT_QUALIFICATION] & PFERR_RSVD_MASK) === 0) return false;
    } else if (!misconfig) return false;
    if (!lastAccessIsFinal(cpu)) return false;
    if (vcpu.hooks.mmioStopArmed || anyTraceEnabled(mmu.arena)) return false;

    // Slots and sptes are read outside guest mode; a vCPU whose exit is left to the whole way has left it already.
    if (mmu.threaded) leaveGuestMode(mmu, r);
    // Of a guest whose page tables are shadowed the address is a linear one, in the tables and in the cache.
    const paging = reason === EXIT_EXCEPTION_NMI && isPaging(r);
    const atLo = paging ? r[VCPU_EXIT_GVA] : r[VCPU_EXIT_GPA];
    const atHi = paging ? r[VCPU_EXIT_GVA + 1] : r[VCPU_EXIT_GPA + 1];
    // Page 0 is never cached, and so not known to be MMIO to the emulator.
    if ((atLo & ~0xfff) === 0 && atHi === 0) return false;
    const cached = paging ? vcpuMatchMmioGva(mmu, r, atLo, atHi) : vcpuMatchMmioGpa(mmu, r, atLo, atHi);
    if (paging && cached && refuses(r, r[VCPU_MMIO_ACCESS], access)) return false;
    // What may be one of the eras' bugs is looked at, and named, by the emulator.
    if (mmu.i32[mmu.mmioWatch] !== 0) return false;
    if (cached && !mmu.cacheHasGeneration && !vcpuMatchMmioGen(mmu, r)) return false;
    let lo = 0;
    let hi = 0;
    let spteGen = -1;
    let kvmGen = -1;
    if (mmu.era !== ERA_V3_10) kvmGen = currentGeneration(mmu);
    if (!cached) {
      if (mmu.threaded) locklessBegin(mmu, r);
      const sptep = lastSptep(mmu, r, atLo, paging ? signFree(atHi) : atHi);
      lo = spteLockless(mmu, sptep);
      hi = mmu.spteHigh;
      if (mmu.threaded) locklessEnd(mmu, r);
      let fresh = isMmio(mmu, lo, hi);
      if (fresh && mmu.era !== ERA_V3_10) {
        spteGen = mmioSpteGeneration(mmu.mmio, lo, hi);
        fresh = spteGen === freshGeneration(mmu);
      }
      const gfn = mmioSpteGfn(mmu.mmio, lo, hi);
      const rights = mmioSpteAccess(mmu.mmio, lo);
      // gfn 0 is not known to be MMIO without its gva either.
      if (paging && fresh) fresh = gfn !== 0 && !refuses(r, rights, access);
      if (!fresh) return false;
      // A memslot update has begun since: the whole way looks again.
      if (!vcpuCacheMmioInfo(mmu, r, paging ? atLo : 0, paging ? atHi : 0, gfn, rights)) return false;
    }
    const gpaLo = paging ? cachedMmioGpaLow(r) | (atLo & 0xfff) : atLo;
    const gpaHi = paging ? cachedMmioGpaHigh(r) : atHi;
    this.gpaLo = gpaLo;
    this.gpaHi = gpaHi;

    // The exit: what has retired until now is made known to devices, and RIP is the instruction's in the record.
    f[VCPU_F_INSNS] += cpu.budget - cpu.left;
    cpu.budget = cpu.left;
    const length = cpu.code[cpu.current];
    r[VCPU_EXIT_INSN_LENGTH] = length;
    r[VCPU_EXIT_REASON] = NO_EXIT;
    r[VCPU_SKIP_MMIO_STOP] = 0;
    const next = r[VCPU_RIP];
    const borrow = next >>> 0 < length && r[VCPU_CODE_BITS] === 64 ? 1 : 0;
    vcpu.count(vcpu.cExits);
    vcpu.count(vcpu.cInsnEmulation);
    if (!misconfig || mmu.era === ERA_V6_8) vcpu.count(vcpu.cMmioExits);
    record.begin(
      f[VCPU_F_INSNS],
      (next - length) | 0,
      (r[VCPU_RIP + 1] - borrow) | 0,
      r[VCPU_EXIT_GVA],
      r[VCPU_EXIT_GVA + 1],
      gpaLo,
      gpaHi,
      access,
      kvmGen,
    );
    if (!cached) record.noteSpte(lo, hi, spteGen);
    record.outcome = cached ? MMIO_CACHED : MMIO_EMULATE;
    return true;
  }

  /** The entry: the instruction goes on, and the run with it unless somebody wants something. */
  private end(cpu: Cpu): void {
    const { vcpu } = this;
    const { r, bus } = vcpu;
    vcpu.record.commit();
    const entered = !vcpu.mmu.threaded || enterGuestMode(vcpu.mmu, r);
    cpu.abort = ABORT_NONE;
    // The budget's last instruction is not entered again before the next run.
    if (cpu.left <= 1) r[VCPU_IN_GUEST] = 0;
    if (entered && r[VCPU_REQUESTS] === 0 && !bus.stopRequested() && (vcpu.id !== 0 || !bus.interruptPending())) return;
    r[VCPU_IN_GUEST] = 0;
    cpu.attention = true;
    cpu.successor = 0;
  }
}
