/**
 * The stress for the record: vCPUs on threads of their own hammer MMIO and RAM while this thread changes memslots under them.
 * A window of one page alternates between RAM and nothing; the guest itself checks that nothing it reads there had gone
 * before (test/guests/smp.c), because only it knows what it had been told when it read.
 */
import type { Era, MmuMode } from '../../core/base/machine-modes.ts';
import { HVA_BASE } from '../../core/base/address.ts';
import { bugStrikes, type KvmBugId } from '../../core/kvm/mmio/mmio-bugs.ts';
import { auditMmu } from '../../core/kvm/audit/audit.ts';
import { mmioFaultCount } from '../../core/debug/logs/mmio-records.ts';
import { createMachine, type LaunchVcpu, type Machine, type MachineStop } from '../../core/machine/index.ts';
import { allocateArena } from '../host/arena-memory.ts';
import { CliFailure, STATUS_MACHINE } from './exit-status.ts';
import { StressWatch } from './stress-watch.ts';

export interface StressOptions {
  readonly image: Uint8Array;
  readonly launch: LaunchVcpu;
  readonly vcpus: number;
  readonly mmu: MmuMode;
  readonly era: Era;
  /** Paging mode of the guest; under the shadow MMU `flat` is the direct map, any other shadow paging. */
  readonly mode: StressMode;
  readonly changes: number;
  /** Changes between two audits of the parked machine. */
  readonly auditEvery: number;
  /** After so many seconds it gives up and says what it has seen; never when left out. */
  readonly seconds?: number | undefined;
}

export const STRESS_MODES = ['flat', '32', 'pae', 'long'] as const;
export type StressMode = (typeof STRESS_MODES)[number];

export interface StressReport {
  readonly changes: number;
  readonly insns: number;
  readonly mmioFaults: number;
  readonly windowReads: number;
  /** Of these, ones that found RAM, and ones that found what had gone before. */
  readonly windowReadsOfRam: number;
  readonly staleReads: number;
  /** vCPUs whose first such read found memory that had been taken away, and not MMIO where memory had come. */
  readonly staleRam: number;
  /** How often the eras' named bugs struck, and the lines of the kernel log that say so. */
  readonly bugStrikes: Readonly<Record<KvmBugId, number>>;
  readonly log: readonly string[];
  /** KVM_EXIT_UNKNOWNs of an MMIO fault that another vCPU had settled meanwhile: a bug of the eras before 4.3. The run goes on. */
  readonly bugExits: number;
  readonly audits: number;
  readonly violations: readonly string[];
  /** Latency of one change in microseconds, ascending. */
  readonly microseconds: readonly number[];
  readonly stop: MachineStop;
  readonly said: string;
}

/** Offsets in smp_board and its accounts (test/guests/smp.h). */
const RETURNED = 0;
const BEGUN = 4;
const STOP = 8;
const ACCOUNTS = 64 * 6;
const ACCOUNT_BYTES = 64;
const READS = 24;
const STALE = 28;
const STALE_VALUE = 32;
const IN_RAM = 44;

/** What a read finds that nobody answers. */
const NOBODY = -1;
const RAM_BYTES = 16 * 1024 * 1024;
const WINDOW = BigInt(RAM_BYTES);
const PAGE = 4096;
const WINDOW_SLOT = 5;
const RAM_SLOT = 1;
const LOG_EVERY = 100;
/** What KVM prints of an EPT misconfiguration that it cannot explain, or the reason that is given elsewhere. */
const BUG_EXIT = /Misconfiguration|RET_MMIO_PF_BUG|MMIO_PF_BUG/;

export function runStress(options: StressOptions): StressReport {
  const { vcpus, mmu, era, mode, changes, auditEvery } = options;
  let said = '';
  const log: string[] = [];
  const made = createMachine(
    {
      ramBytes: RAM_BYTES,
      mmu,
      era,
      maxPhyAddr: 40,
      mmuPages: 0,
      vcpus,
      threads: options.launch,
      hooks: { mmioStopArmed: false, onMmioFault: () => false, onLog: (_level, text) => void log.push(text) },
      onSerial: (bytes) => {
        said += String.fromCharCode(...bytes);
      },
    },
    allocateArena,
  );
  if (!made.ok) throw new CliFailure(made.error.message, STATUS_MACHINE);
  const machine = made.value;
  try {
    const loaded = machine.loadImage(options.image, 'smp.elf', `vcpus=${vcpus} op=hammer mode=${mode} patience=2g`);
    if (!loaded.ok) throw new CliFailure(loaded.error.message, STATUS_MACHINE);
    const board = boardOf(machine);
    const { i32 } = machine.arena;
    const watch = new StressWatch(machine, options.seconds);
    awaitHammering(machine, board, vcpus, watch);

    const microseconds: number[] = [];
    const violations: string[] = [];
    let audits = 0;
    let bugExits = 0;
    const run = (): MachineStop => {
      const stop = machine.run(1);
      if (stop.kind !== 'error' || era === 'v6.8' || !BUG_EXIT.test(stop.message)) return stop;
      bugExits += 1;
      return { kind: 'budget' };
    };
    let stop: MachineStop = { kind: 'budget' };
    for (let change = 1; change <= changes && stop.kind === 'budget'; change += 1) {
      const backing = RAM_BYTES - PAGE * (1 + ((change >> 1) & 1));
      if ((change & 1) === 1) i32[(machine.arena.layout.ram + backing) >> 2] = change;
      Atomics.store(i32, (board + BEGUN) >> 2, change);
      const began = performance.now();
      const set = machine.vm.setUserMemoryRegion({
        slot: WINDOW_SLOT,
        flags: 0,
        guestPhysAddr: WINDOW,
        memorySize: (change & 1) === 1 ? BigInt(PAGE) : 0n,
        userspaceAddr: HVA_BASE + BigInt(backing),
      });
      microseconds.push((performance.now() - began) * 1000);
      watch.check(`${change} of ${changes} memslot changes have returned`);
      Atomics.store(i32, (board + RETURNED) >> 2, change);
      if (!set.ok) throw new CliFailure(`change ${change} was refused: ${set.error.message}`, STATUS_MACHINE);
      if (change % LOG_EVERY === 0) readDirtyLog(machine, change % (2 * LOG_EVERY) === 0);
      if (change % 16 === 0) stop = run();
      if (change % auditEvery === 0) {
        machine.park();
        audits += 1;
        for (const { rule, text } of auditMmu(machine.vm.mmu).violations) violations.push(`${rule}: ${text}`);
        stop = run();
      }
    }
    Atomics.store(i32, (board + STOP) >> 2, 1);
    while (stop.kind === 'budget') {
      stop = run();
      watch.check(`all ${changes} memslot changes have returned, and the guest has been told to end`);
    }
    machine.park();
    const sum = (offset: number): number =>
      machine.vm.vcpus.reduce((all, { id }) => all + i32[(board + ACCOUNTS + id * ACCOUNT_BYTES + offset) >> 2], 0);
    return {
      changes: microseconds.length,
      insns: machine.insns,
      mmioFaults: mmioFaultCount(machine.arena),
      windowReads: sum(READS),
      windowReadsOfRam: sum(IN_RAM),
      staleReads: sum(STALE),
      staleRam: machine.vm.vcpus.filter(({ id }) => {
        const account = (board + ACCOUNTS + id * ACCOUNT_BYTES) >> 2;
        return i32[account + STALE / 4] !== 0 && i32[account + STALE_VALUE / 4] !== NOBODY;
      }).length,
      bugStrikes: bugStrikes(machine.arena),
      log,
      bugExits,
      audits,
      violations,
      microseconds: microseconds.toSorted((a, b) => a - b),
      stop,
      said,
    };
  } finally {
    machine.close();
  }
}

function boardOf(machine: Machine): number {
  const symbol = machine.image?.symbols.find('smp_board');
  if (symbol === undefined) throw new CliFailure('the guest has no smp_board', STATUS_MACHINE);
  return machine.arena.layout.ram + Number(symbol.address);
}

/** Until every vCPU has read the window. */
function awaitHammering(machine: Machine, board: number, vcpus: number, watch: StressWatch): void {
  const hasRead = (id: number): boolean =>
    machine.arena.i32[(board + ACCOUNTS + id * ACCOUNT_BYTES + READS) >> 2] !== 0;
  while (!Array.from({ length: vcpus }, (_unused, id) => id).every(hasRead)) {
    const stop = machine.run(1);
    watch.check('not every vCPU has begun');
    if (stop.kind !== 'budget') throw new CliFailure(`the guest stopped: ${JSON.stringify(stop)}`, STATUS_MACHINE);
  }
}

/** Dirty logging of the busy RAM: on, read twice, off. Flags are changes of the table like any other. */
function readDirtyLog(machine: Machine, on: boolean): void {
  const high = 0x10_0000;
  machine.vm.setUserMemoryRegion({
    slot: RAM_SLOT,
    flags: on ? 1 : 0,
    guestPhysAddr: BigInt(high),
    memorySize: BigInt(RAM_BYTES - high),
    userspaceAddr: HVA_BASE + BigInt(high),
  });
  if (!on) return;
  machine.vm.getDirtyLog(RAM_SLOT);
  machine.vm.getDirtyLog(RAM_SLOT);
}
