/** What KVM's part of one memory fault costs, by kind: fast_page_fault against the full path, mappings, MMIO sptes. */
import { HVA_BASE } from '../../../core/base/address.ts';
import type { HostPages } from '../../../core/base/host-pages.ts';
import type { MmuMode } from '../../../core/base/machine-modes.ts';
import { directPageFault, FAULT_EMULATE, FAULT_RESUME } from '../../../core/kvm/mmu/direct-map.ts';
import {
  handleMmioPageFaultCommon,
  RET_MMIO_PF_EMULATE,
  RET_MMIO_PF_INVALID,
} from '../../../core/kvm/mmio/mmio-fault.ts';
import { MmioRecord } from '../../../core/kvm/mmio/mmio-record.ts';
import { PFERR_PRESENT_MASK, PFERR_WRITE_MASK } from '../../../core/kvm/mmu/mmu-fault-error.ts';
import { vcpuCounterWord } from '../../../core/kvm/trace/stats.ts';
import type { Machine } from '../../../core/machine/index.ts';
import { CliFailure, STATUS_MACHINE } from '../exit-status.ts';
import { benchMachine, runInsns } from './bench-machine.ts';
import { median, secondsOf, type Benchmark, type Figure } from './measurement.ts';
import { shadowFigures } from './shadow-fault-cost.ts';

const MODES: readonly MmuMode[] = ['ept', 'npt', 'shadow'];
const SAMPLES = 40;
/** Faults whose samples are thrown away: they run in an interpreter that does not know the path yet. */
const WARM_UP = 120_000;
const PAGES = 8192;
const CHUNKS = 64;
const SLOT = 5;
const PAGE = 0x1000;
const CHUNK = 0x20_0000;
/** Where the slot lies, and a hole, both above the machine's own RAM and below 2 GiB. */
const RAM_GPA = 0x4000_0000;
const HOLE_GPA = 0x6000_0000;
const LOG_DIRTY = 1;
const WRITE = PFERR_WRITE_MASK;
const PROTECTED_WRITE = PFERR_WRITE_MASK | PFERR_PRESENT_MASK;

export const faultCost: Benchmark = {
  name: 'faults',
  summary: 'cost of a memory fault in KVM, by kind',
  run(say) {
    const figures: Figure[] = [];
    for (const mmu of MODES) {
      say(`write to a page protected for dirty logging, ${mmu}`);
      const fast = writeProtected(mmu, PROTECTED_WRITE);
      const full = writeProtected(mmu, WRITE);
      figures.push(
        figure(`fast_page_fault, ${mmu}`, fast, 'W given back without mmu_lock, the page marked dirty'),
        figure(
          `the same by the full path, ${mmu}`,
          full,
          'as if the error code had no P: slot, frame, mmu_lock, set_spte',
        ),
        { name: `full path against fast, ${mmu}`, value: full / fast, unit: '×', target: undefined, how: 'of the two' },
      );
    }
    for (const mmu of MODES) {
      say(`mappings of RAM, ${mmu}`);
      figures.push(
        figure(`map a 4 KiB page, ${mmu}`, mapping(mmu, '4k', PAGE, PAGES), 'tables are there already'),
        figure(`map a 2 MiB page, ${mmu}`, mapping(mmu, '2m', CHUNK, CHUNKS), 'host pages of 2 MiB'),
        figure(`spurious fault, ${mmu}`, spurious(mmu), 'the spte allows the write already'),
      );
      say(`MMIO, ${mmu}`);
      figures.push(...mmioFigures(mmu));
    }
    figures.push(...shadowFigures(say));
    return Promise.resolve({ benchmark: 'faults', figures, skipped: undefined });
  },
};

const figure = (name: string, seconds: number, how: string): Figure => ({
  name,
  value: seconds * 1e9,
  unit: 'ns',
  target: undefined,
  how: `${how}; median of ${SAMPLES} rounds`,
});

/** A machine in the middle of a guest, so that its vCPU has roots. */
function machineWith(mmu: MmuMode, hostPages: HostPages = '4k'): Machine {
  const machine = benchMachine({ guest: 'spin', append: '', mmu, hostPages, mmuPages: 4096 });
  runInsns(machine, 100_000);
  return machine;
}

function setSlot(machine: Machine, flags: number, bytes = PAGES * PAGE): void {
  const region = {
    slot: SLOT,
    flags,
    guestPhysAddr: BigInt(RAM_GPA),
    memorySize: BigInt(bytes),
    userspaceAddr: HVA_BASE,
  };
  const set = machine.vm.setUserMemoryRegion(region);
  if (!set.ok) throw new CliFailure(set.error.message, STATUS_MACHINE);
  // The vCPU serves what the change asked of it.
  runInsns(machine, 1000);
}

/** Takes every fault of a round. @returns seconds for one */
function faults(machine: Machine, base: number, step: number, count: number, code: number, expected: number): number {
  const { mmu, vcpus } = machine.vm;
  const { r } = vcpus[0].cpu;
  let answers = 0;
  const seconds = secondsOf(() => {
    for (let i = 0; i < count; i++) if (directPageFault(mmu, r, 0, base + i * step, 0, code) === expected) answers++;
  });
  if (answers !== count) throw new CliFailure(`${count - answers} faults came to something else`, STATUS_MACHINE);
  return seconds / count;
}

function rounds(prepare: () => void, round: () => number, count = PAGES): number {
  const warmUp = Math.ceil(WARM_UP / count);
  const samples = Array.from({ length: warmUp + SAMPLES }, () => {
    prepare();
    return round();
  });
  return median(samples.slice(warmUp));
}

function writeProtected(mmu: MmuMode, code: number): number {
  const machine = machineWith(mmu);
  setSlot(machine, LOG_DIRTY);
  faults(machine, RAM_GPA, PAGE, PAGES, WRITE, FAULT_RESUME);
  const pfFixed = vcpuCounterWord(machine.arena, 0, 'pf_fixed');
  return rounds(
    () => {
      const log = machine.vm.getDirtyLog(SLOT);
      if (!log.ok || !log.value.every((byte) => byte === 0xff)) {
        throw new CliFailure('not every page was dirty', STATUS_MACHINE);
      }
    },
    () => {
      const before = machine.arena.f64[pfFixed];
      const seconds = faults(machine, RAM_GPA, PAGE, PAGES, code, FAULT_RESUME);
      const full = machine.arena.f64[pfFixed] - before;
      if (full !== (code === WRITE ? PAGES : 0)) throw new CliFailure('faults took the other path', STATUS_MACHINE);
      return seconds;
    },
  );
}

/** Into an empty slot each time; one fault more than is timed has made the tables where `step` is a page. */
function mapping(mmu: MmuMode, hostPages: HostPages, step: number, count: number): number {
  const machine = machineWith(mmu, hostPages);
  const bytes = count * step;
  return rounds(
    () => {
      setSlot(machine, 0, bytes);
      if (step === PAGE)
        for (let at = 0; at < bytes; at += CHUNK) faults(machine, RAM_GPA + at, step, 1, WRITE, FAULT_RESUME);
      else faults(machine, RAM_GPA, step, 1, WRITE, FAULT_RESUME);
    },
    () => {
      const seconds = faults(machine, RAM_GPA, step, count, WRITE, FAULT_RESUME);
      setSlot(machine, 0, 0);
      return seconds;
    },
    count,
  );
}

function spurious(mmu: MmuMode): number {
  const machine = machineWith(mmu);
  setSlot(machine, 0);
  faults(machine, RAM_GPA, PAGE, PAGES, WRITE, FAULT_RESUME);
  return rounds(
    () => {},
    () => faults(machine, RAM_GPA, PAGE, PAGES, PROTECTED_WRITE, FAULT_RESUME),
  );
}

/** handle_mmio_page_fault_common over a round of pages. */
function mmioFaults(machine: Machine, record: MmioRecord, expected: number): number {
  const { mmu, vcpus } = machine.vm;
  const { r } = vcpus[0].cpu;
  let answers = 0;
  const seconds = secondsOf(() => {
    for (let i = 0; i < PAGES; i++) {
      if (handleMmioPageFaultCommon(mmu, r, 0, HOLE_GPA + i * PAGE, 0, true, record) === expected) answers++;
    }
  });
  if (answers !== PAGES) throw new CliFailure(`${PAGES - answers} MMIO faults came to something else`, STATUS_MACHINE);
  return seconds / PAGES;
}

function mmioFigures(mmu: MmuMode): readonly Figure[] {
  const machine = machineWith(mmu);
  const record = new MmioRecord(machine.arena, 0);
  const mark = (): number => faults(machine, HOLE_GPA, PAGE, PAGES, 0, FAULT_EMULATE);
  mark();
  // A change of flags makes every MMIO spte stale and zaps nothing.
  let flags = LOG_DIRTY;
  setSlot(machine, flags);
  const makeStale = (): void => {
    setSlot(machine, (flags ^= LOG_DIRTY));
    // The vCPU's MMIO cache holds the last page that was met, stale or not: let it be another.
    faults(machine, HOLE_GPA + PAGES * PAGE, PAGE, 1, 0, FAULT_EMULATE);
  };
  return [
    figure(`mark_mmio_spte over a stale one, ${mmu}`, rounds(makeStale, mark), 'the full path for a gfn without slot'),
    figure(
      `MMIO spte of the current generation, ${mmu}`,
      rounds(
        () => {},
        () => mmioFaults(machine, record, RET_MMIO_PF_EMULATE),
      ),
      'lockless walk, generation check; emulation not included',
    ),
    figure(
      `MMIO spte found stale, ${mmu}`,
      rounds(makeStale, () => mmioFaults(machine, record, RET_MMIO_PF_INVALID)),
      'lockless walk, generation check',
    ),
  ];
}
