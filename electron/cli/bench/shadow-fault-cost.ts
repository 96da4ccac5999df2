/**
 * What KVM's part of shadow paging costs, by kind: tables of our own in a guest's RAM, and the functions that the exits lead to
 * called as the exit handlers call them. No instruction of the guest is executed meanwhile.
 */
import { HVA_BASE } from '../../../core/base/address.ts';
import { VCPU_CR3 } from '../../../core/arena/vcpu-layout.ts';
import { FAULT_RESUME } from '../../../core/kvm/mmio/noslot-fault.ts';
import { mmuLoad, mmuUnload } from '../../../core/kvm/mmu/mmu-roots.ts';
import { PFERR_WRITE_MASK } from '../../../core/kvm/mmu/mmu-fault-error.ts';
import { mmuPteWrite } from '../../../core/kvm/shadow/guest-table-write.ts';
import { shadowInvlpg } from '../../../core/kvm/shadow/shadow-invlpg.ts';
import { pagingPageFault } from '../../../core/kvm/shadow/shadow-page-fault.ts';
import { mmuSyncRoots } from '../../../core/kvm/shadow/shadow-sync.ts';
import { readVmCounters } from '../../../core/kvm/index.ts';
import { VcpuContext } from '../../../core/kvm/vcpu/vcpu-context.ts';
import type { Machine } from '../../../core/machine/index.ts';
import { CliFailure, STATUS_MACHINE } from '../exit-status.ts';
import { benchMachine, runInsns } from './bench-machine.ts';
import { median, secondsOf, type Figure } from './measurement.ts';

const SAMPLES = 40;
const WARM_UP_ROUNDS = 20;
const PAGE = 0x1000;
/** Leaf tables of 512 entries, and the pages that are used: the first of eight, because KVM prefetches their neighbours where those have A. */
const TABLES = 32;
const STRIDE = 8;
const PAGES = (TABLES * 512) / STRIDE;
/** Two roots over the same directory, its tables, and then the pages: high in the guest's RAM. */
const PML4 = 0x700_0000;
const OTHER_PML4 = PML4 + PAGE;
const PDPT = PML4 + 2 * PAGE;
const DIRECTORY = PML4 + 3 * PAGE;
const LEAVES = PML4 + 4 * PAGE;
const FRAMES = 0x200_0000;
/** One more leaf table, through which the guest sees the others. */
const WINDOW = LEAVES + TABLES * PAGE;
const WINDOW_GVA = TABLES * 0x20_0000;
/** Present, writable, and not used yet. */
const UNUSED = 0x3;
/** Accessed and dirty: where KVM has to set them, the first access takes a second fault (v3.11 notes them one level too high). */
const ENTRY = 0x63;

export function shadowFigures(say: (line: string) => void): readonly Figure[] {
  say('shadow paging');
  const rig = new Rig();
  const kinds: readonly (readonly [string, number, string])[] = [
    [
      'fetch of a 4 KiB page',
      rig.fetched(),
      'walk_addr, gfn, A and D set in the guest entry, spte made; tables are there',
    ],
    ['a guest table write emulated', rig.written(), 'kvm_mmu_pte_write of a leaf entry: zapped and read afresh'],
    ['a leaf table turned unsync', rig.unsynced(), 'the write fault to a protected table'],
    ['sync of an unsync table', rig.synced(), `512 entries, one of them changed; of ${TABLES} below one root`],
    ['invlpg of a changed entry', rig.invalidated(), 'in an unsync table'],
    [
      'CR3 switch between cached roots',
      rig.switched(),
      'roots given back and found again in the hash, nothing to sync',
    ],
  ];
  return kinds.map(([name, seconds, how]) => ({
    name: `${name}, shadow paging`,
    value: seconds * 1e9,
    unit: 'ns',
    target: undefined,
    how: `${how}; median of ${SAMPLES} rounds`,
  }));
}

class Rig {
  readonly #machine: Machine;
  readonly #vcpu: VcpuContext;

  constructor() {
    this.#machine = benchMachine({ guest: 'spin', append: 'mode=long', mmu: 'shadow', mmuPages: 4096 });
    runInsns(this.#machine, 100_000);
    const { vm, devices } = this.#machine;
    const [{ cpu }] = vm.vcpus;
    this.#vcpu = new VcpuContext(0, vm.mmu, cpu, devices.bus);
    this.#makeTables();
    this.#loadRoot(PML4);
  }

  fetched(): number {
    const { vm } = this.#machine;
    const base = HVA_BASE + BigInt(FRAMES);
    return this.#rounds(
      () => {},
      () => this.#faultAll(),
      PAGES,
      // And away with them before the next round.
      () => vm.unmapHva(base, PAGES * STRIDE) === PAGES,
    );
  }

  written(): number {
    this.#faultAll();
    const { mmu } = this.#vcpu;
    const updated = (): number => readVmCounters(mmu.arena).mmu_pte_updated;
    let seen = 0;
    return this.#rounds(
      () => (seen = updated()),
      () => {
        for (let n = 0; n < PAGES; n++) {
          const at = LEAVES + n * STRIDE * 8;
          mmuPteWrite(mmu, 0, at, 0, 8, this.#flip(n), 0);
        }
      },
      PAGES,
      () => updated() === seen + PAGES,
    );
  }

  unsynced(): number {
    return this.#rounds(
      () => this.#resync(),
      () => this.#unsyncAll(),
      TABLES,
      () => this.#unsynced() === TABLES,
    );
  }

  synced(): number {
    const { mmu, r } = this.#vcpu;
    return this.#rounds(
      () => {
        this.#resync();
        this.#unsyncAll();
        for (let table = 0; table < TABLES; table++) this.#flip((table * 512) / STRIDE);
      },
      () => mmuSyncRoots(mmu, r, 0),
      TABLES,
      () => this.#unsynced() === 0,
    );
  }

  invalidated(): number {
    const { mmu, r } = this.#vcpu;
    return this.#rounds(
      () => {
        this.#resync();
        this.#unsyncAll();
        for (let n = 0; n < PAGES; n++) this.#flip(n);
      },
      () => {
        for (let n = 0; n < PAGES; n++) shadowInvlpg(mmu, r, 0, n * STRIDE * PAGE, 0);
      },
      PAGES,
    );
  }

  switched(): number {
    this.#resync();
    const switches = 1000;
    const { mmu } = this.#vcpu;
    this.#loadRoot(OTHER_PML4);
    const made = readVmCounters(mmu.arena).mmu_cache_miss;
    const seconds = this.#rounds(
      () => {},
      () => {
        for (let n = 0; n < switches; n++) this.#loadRoot((n & 1) === 0 ? PML4 : OTHER_PML4);
      },
      switches,
      () => readVmCounters(mmu.arena).mmu_cache_miss === made,
    );
    this.#loadRoot(PML4);
    return seconds;
  }

  /** @param succeeded whether the round did what it is said to measure */
  #rounds(prepare: () => unknown, round: () => void, count: number, succeeded = (): boolean => true): number {
    const samples = Array.from({ length: WARM_UP_ROUNDS + SAMPLES }, () => {
      prepare();
      const seconds = secondsOf(round) / count;
      if (!succeeded()) throw new CliFailure('a round came to something else', STATUS_MACHINE);
      return seconds;
    });
    return median(samples.slice(WARM_UP_ROUNDS));
  }

  #makeTables(): void {
    const { arena } = this.#machine;
    const ram = arena.layout.ram;
    arena.u8.fill(0, ram + PML4, ram + WINDOW + PAGE);
    this.#poke(PML4, PDPT | ENTRY);
    this.#poke(OTHER_PML4, PDPT | ENTRY);
    this.#poke(PDPT, DIRECTORY | ENTRY);
    for (let table = 0; table <= TABLES; table++) this.#poke(DIRECTORY + table * 8, (LEAVES + table * PAGE) | ENTRY);
    for (let table = 0; table < TABLES; table++) this.#poke(WINDOW + table * 8, (LEAVES + table * PAGE) | ENTRY);
    this.#makeLeaves();
  }

  #makeLeaves(): void {
    for (let n = 0; n < TABLES * 512; n++) {
      this.#poke(LEAVES + n * 8, (FRAMES + n * PAGE) | (n % STRIDE === 0 ? ENTRY : UNUSED));
    }
  }

  /** Another frame than the entry of a page has now: that of a neighbour that is not used. */
  #flip(n: number): number {
    const { i32, layout } = this.#machine.arena;
    return (i32[(layout.ram + LEAVES + n * STRIDE * 8) >> 2] ^= PAGE);
  }

  #poke(gpa: number, entry: number): void {
    const { i32, layout } = this.#machine.arena;
    i32[(layout.ram + gpa) >> 2] = entry;
  }

  #loadRoot(root: number): void {
    const { mmu, r } = this.#vcpu;
    r[VCPU_CR3] = root;
    mmuUnload(mmu, r);
    if (!mmuLoad(mmu, r, 0)) throw new CliFailure('the root was refused', STATUS_MACHINE);
  }

  #write(gva: number): void {
    if (pagingPageFault(this.#vcpu, gva, 0, PFERR_WRITE_MASK) !== FAULT_RESUME) {
      throw new CliFailure('a fault came to something else', STATUS_MACHINE);
    }
  }

  #faultAll(): void {
    for (let n = 0; n < PAGES; n++) this.#write(n * STRIDE * PAGE);
  }

  /** As a CR3 load does. */
  #resync(): void {
    const { mmu, r } = this.#vcpu;
    mmuSyncRoots(mmu, r, 0);
  }

  #unsyncAll(): void {
    for (let table = 0; table < TABLES; table++) this.#write(WINDOW_GVA + table * PAGE);
  }

  #unsynced(): number {
    return readVmCounters(this.#machine.arena).mmu_unsync;
  }
}
