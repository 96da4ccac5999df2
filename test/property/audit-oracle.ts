/**
 * What memory should hold, said without any of KVM: guest tables walked in RAM, memslots as they were set. The processor may
 * use a translation that its TLB still has until the guest invalidates it, so for each page of a window there is a set of
 * translations that are good. Where it walks the guest's tables itself it may also begin at an upper entry that it has cached,
 * and find new entries below it (SDM vol 3A, "Paging-Structure Caches").
 */
import { VCPU_MMIO_GFN, VCPU_MMIO_GVA } from '../../core/arena/vcpu-layout.ts';
import type { World } from './audit-world.ts';
import { FIRST_DATA_FRAME, HOME_BYTES, isVital, PAGE, RAM_BYTES, WINDOW_GVAS, WINDOWS } from './audit-world.ts';

export interface OracleSlot {
  readonly id: number;
  readonly gpa: number;
  readonly bytes: number;
  /** Offset of its host memory. */
  readonly host: number;
  readonly flags: number;
}

export interface Translation {
  /** Undefined: not present. */
  readonly gpa: number | undefined;
  readonly writable: boolean;
  readonly user: boolean;
  readonly executable: boolean;
}

/** Where a walk arrives at a page directory, and with what rights. */
interface DirectoryFound {
  readonly directory: number;
  readonly rights: number;
}

/** An entry of a page directory as it was read, with the rights above it. */
interface DirectoryEntry {
  readonly low: number;
  readonly high: number;
  readonly rights: number;
}

/** What the paging-structure caches may know of the way to a page. */
interface CachedWays {
  readonly directories: DirectoryFound[];
  readonly entries: DirectoryEntry[];
}

/** Who accesses, and how. */
export interface Access {
  readonly kind: 'read' | 'write' | 'fetch';
  readonly user: boolean;
}

const NOT_PRESENT: Translation = { gpa: undefined, writable: false, user: false, executable: false };

const LOG = 1;
const READONLY = 2;
const KEPT_UNTIL_3_17 = ['patch', 'v3.11', 'v3.10'];

export const hex = (value: number): string => `0x${value.toString(16)}`;

const sameTranslation = (a: Translation, b: Translation): boolean =>
  a.gpa === b.gpa && a.writable === b.writable && a.user === b.user && a.executable === b.executable;

const sameDirectory = (a: DirectoryFound, b: DirectoryFound): boolean =>
  a.directory === b.directory && a.rights === b.rights;
const sameEntry = (a: DirectoryEntry, b: DirectoryEntry): boolean =>
  a.low === b.low && a.high === b.high && a.rights === b.rights;

function addTo<T>(list: T[], item: T, same: (a: T, b: T) => boolean): void {
  if (!list.some((old) => same(old, item))) list.push(item);
}

export class Oracle {
  readonly slots = new Map<number, OracleSlot>();
  /** Pages written through slots that log since their log was read: by slot. */
  readonly dirty = new Map<number, Set<number>>();
  readonly #world: World;
  /** By vCPU and gva page. Absent: just what the tables say. */
  readonly #allGood: Map<number, Translation[]>[];
  /** By vCPU and gva page. Absent: nothing but what the tables say. */
  readonly #allWays: Map<number, CachedWays>[];
  readonly #mirror: Uint8Array;

  constructor(world: World) {
    this.#world = world;
    this.slots.set(0, { id: 0, gpa: 0, bytes: HOME_BYTES, host: 0, flags: 0 });
    this.#mirror = this.#data().slice();
    this.#allGood = world.vm.vcpus.map(() => new Map<number, Translation[]>());
    this.#allWays = world.vm.vcpus.map(() => new Map<number, CachedWays>());
    this.noteTables();
  }

  slotOf(gpa: number): OracleSlot | undefined {
    for (const slot of this.slots.values()) if (gpa >= slot.gpa && gpa < slot.gpa + slot.bytes) return slot;
    return undefined;
  }

  /** Offset of the host byte behind a gpa. */
  hostOf(gpa: number): number | undefined {
    const slot = this.slotOf(gpa);
    return slot === undefined ? undefined : slot.host + gpa - slot.gpa;
  }

  get #good(): Map<number, Translation[]> {
    return this.#allGood[this.#world.current];
  }

  get #ways(): Map<number, CachedWays> {
    return this.#allWays[this.#world.current];
  }

  /** Guest tables may have changed: what they say now is good as well, on every vCPU. */
  noteTables(): void {
    const { current } = this.#world;
    for (const id of this.#allGood.keys()) {
      this.#world.current = id;
      this.#noteTables();
    }
    this.#world.current = current;
  }

  #noteTables(): void {
    for (const page of WINDOW_GVAS) {
      const good = this.#good.get(page) ?? [];
      this.#good.set(page, good);
      addTo(good, this.walk(page), sameTranslation);
      // KVM's shadow has no such caches of the guest's entries: a write to an upper one zaps what hangs below it.
      if (this.#world.vm.config.mmu === 'shadow' || this.#world.control.paging === 'flat') continue;
      for (const entry of this.#waysTo(page).entries) addTo(good, this.#leaf(entry, page), sameTranslation);
    }
  }

  /** With what the tables say now added to it. */
  #waysTo(page: number): CachedWays {
    const ways = this.#ways.get(page) ?? { directories: [], entries: [] };
    this.#ways.set(page, ways);
    const now = this.#directoryOf(page);
    if (now !== undefined) addTo(ways.directories, now, sameDirectory);
    for (const found of ways.directories) {
      const entry = this.#directoryEntry(found, page);
      if ((entry.low & 1) !== 0) addTo(ways.entries, entry, sameEntry);
    }
    return ways;
  }

  invalidate(gva: number): void {
    const page = gva - (gva % PAGE);
    // INVLPG empties the paging-structure caches, whatever its address.
    this.#ways.clear();
    // A large page is one translation, whatever its pages.
    const inLarge = (each: number): boolean => each >= WINDOWS[2] && each < WINDOWS[2] + 0x40_0000;
    const same = inLarge(page) ? WINDOW_GVAS.filter(inLarge) : [page];
    for (const each of same) this.#good.set(each, [this.walk(each)]);
  }

  invalidateAll(): void {
    this.#ways.clear();
    for (const page of WINDOW_GVAS) this.#good.set(page, [this.walk(page)]);
  }

  /** All translations of a gva that the processor may use. */
  translations(gva: number): readonly Translation[] {
    const page = gva - (gva % PAGE);
    const good = this.#good.get(page) ?? [this.walk(page)];
    return good.map((each) => ({ ...each, gpa: each.gpa === undefined ? undefined : each.gpa + (gva % PAGE) }));
  }

  /** Answers of a load: values, or 'fault'. */
  reads(gva: number, user: boolean): ReadonlySet<number | 'fault'> {
    const answers = new Set<number | 'fault'>();
    if (this.mayFault(gva, { kind: 'read', user })) answers.add('fault');
    for (const gpa of this.targets(gva, { kind: 'read', user })) {
      const host = this.hostOf(gpa);
      answers.add(host === undefined ? 0xffff_ffff : this.#world.peek32(host));
      if (this.staleCache(gva, gpa)) answers.add(0xffff_ffff);
    }
    return answers;
  }

  mayFault(gva: number, access: Access): boolean {
    return this.translations(gva).some((translation) => !this.#allows(translation, access));
  }

  /** gpas that an access may go to. */
  targets(gva: number, access: Access): readonly number[] {
    return this.translations(gva).flatMap((translation) =>
      translation.gpa !== undefined && this.#allows(translation, access) ? [translation.gpa] : [],
    );
  }

  #allows({ gpa, writable, user, executable }: Translation, access: Access): boolean {
    if (gpa === undefined || (access.user && !user)) return false;
    if (access.kind === 'fetch') return executable;
    return access.kind === 'read' || writable || !(access.user || this.#world.control.writeProtect);
  }

  /** Whether a store to the gpa changes memory; else it goes to user space. */
  writableHost(gpa: number): number | undefined {
    const slot = this.slotOf(gpa);
    return slot === undefined || (slot.flags & READONLY) !== 0 ? undefined : slot.host + gpa - slot.gpa;
  }

  /** Whether an access may go to a frame without which the machine falls apart. */
  endangers(targets: readonly number[]): boolean {
    return targets.some((gpa) => {
      const host = this.hostOf(gpa);
      return host !== undefined && isVital(Math.floor(host / PAGE));
    });
  }

  /** The bug of the eras before 3.17: the vCPU's MMIO cache outlives memslot changes (56f17dd3fbc4). */
  staleCache(gva: number, gpa: number): boolean {
    if (!KEPT_UNTIL_3_17.includes(this.#world.era)) return false;
    const { r } = this.#world.vcpu.cpu;
    const gfn = r[VCPU_MMIO_GFN] >>> 0;
    const page = r[VCPU_MMIO_GVA] >>> 0;
    return gfn !== 0 && (gfn === Math.floor(gpa / PAGE) || (page !== 0 && page === gva - (gva % PAGE)));
  }

  /** A store reached memory. */
  noteStore(gpa: number, host: number, size: number): void {
    for (let i = 0; i < size; i++) {
      const at = host + i - FIRST_DATA_FRAME * PAGE;
      if (at >= 0) this.#mirror[at] = this.#world.arena.u8[this.#world.host(host + i)];
    }
    const slot = this.slotOf(gpa);
    if (slot === undefined || (slot.flags & LOG) === 0) return;
    const pages = this.dirty.get(slot.id) ?? new Set();
    pages.add(Math.floor((gpa - slot.gpa) / PAGE));
    this.dirty.set(slot.id, pages);
  }

  /** Where data memory is not what all stores so far made of it. */
  strayStore(): string | undefined {
    const data = this.#data();
    if (Buffer.compare(data, this.#mirror) === 0) return undefined;
    const at = data.findIndex((byte, i) => byte !== this.#mirror[i]);
    return `host byte ${hex(at + FIRST_DATA_FRAME * PAGE)} is ${hex(data[at])}, not ${hex(this.#mirror[at])}`;
  }

  /** The guest's tables, read through the slots. */
  walk(gva: number): Translation {
    if (this.#world.control.paging === 'flat') return { gpa: gva, writable: true, user: true, executable: true };
    const found = this.#directoryOf(gva);
    return found === undefined ? NOT_PRESENT : this.#leaf(this.#directoryEntry(found, gva), gva);
  }

  #directoryOf(gva: number): DirectoryFound | undefined {
    const { paging } = this.#world.control;
    const cr3 = this.#world.cr3();
    if (paging === '32-bit') return { directory: cr3, rights: 6 };
    let rights = 6;
    let table = cr3;
    if (paging === '4-level') {
      const pml4e = this.#entry(table);
      rights &= pml4e;
      table = pml4e & ~0xfff;
    }
    const pdpte = this.#entry(table + (gva >>> 30) * 8);
    if ((pdpte & 1) === 0) return undefined;
    if (paging === '4-level') rights &= pdpte;
    return { directory: pdpte & ~0xfff, rights };
  }

  #directoryEntry({ directory, rights }: DirectoryFound, gva: number): DirectoryEntry {
    if (this.#world.control.paging === '32-bit') {
      return { low: this.#entry(directory + (gva >>> 22) * 4), high: 0, rights };
    }
    const at = directory + ((gva >>> 21) & 0x1ff) * 8;
    return { low: this.#entry(at), high: this.#entry(at + 4), rights };
  }

  /** From an entry of the page directory on. */
  #leaf({ low: pde, high, rights: above }: DirectoryEntry, gva: number): Translation {
    const { paging, noExecute } = this.#world.control;
    const narrow = paging === '32-bit';
    const largeMask = narrow ? 0x3f_ffff : 0x1f_ffff;
    if ((pde & 1) === 0) return NOT_PRESENT;
    const rights = above & pde;
    const directoryForbids = high !== 0;
    if (directoryForbids && !noExecute) return NOT_PRESENT;
    if ((pde & 0x80) !== 0) {
      const gpa = ((pde & ~largeMask) | (gva & largeMask & ~0xfff)) >>> 0;
      return { gpa, writable: (rights & 2) !== 0, user: (rights & 4) !== 0, executable: !directoryForbids };
    }
    const at = (pde & ~0xfff) + ((gva & largeMask) >>> 12) * (narrow ? 4 : 8);
    const pte = this.#entry(at);
    const forbids = !narrow && this.#entry(at + 4) !== 0;
    // Bit 63 is reserved while EFER.NXE is clear.
    if ((pte & 1) === 0 || (forbids && !noExecute)) return NOT_PRESENT;
    const both = rights & pte;
    const executable = !forbids && !directoryForbids;
    return { gpa: (pte & ~0xfff) >>> 0, writable: (both & 2) !== 0, user: (both & 4) !== 0, executable };
  }

  #entry(gpa: number): number {
    const host = this.hostOf(gpa >>> 0);
    return host === undefined ? 0 : this.#world.peek32(host);
  }

  #data(): Uint8Array {
    const { arena } = this.#world;
    return arena.u8.subarray(arena.layout.ram + FIRST_DATA_FRAME * PAGE, arena.layout.ram + RAM_BYTES);
  }
}
