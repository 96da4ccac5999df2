/**
 * What memory should hold, said without any of KVM: guest tables walked in RAM, memslots as they were set. The processor may
 * use a translation that its TLB still has until the guest invalidates it, so for each page of a window there is a set of
 * translations that are good.
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

export class Oracle {
  readonly slots = new Map<number, OracleSlot>();
  /** Pages written through slots that log since their log was read: by slot. */
  readonly dirty = new Map<number, Set<number>>();
  readonly #world: World;
  /** By vCPU and gva page. Absent: just what the tables say. */
  readonly #allGood: Map<number, Translation[]>[];
  readonly #mirror: Uint8Array;

  constructor(world: World) {
    this.#world = world;
    this.slots.set(0, { id: 0, gpa: 0, bytes: HOME_BYTES, host: 0, flags: 0 });
    this.#mirror = this.#data().slice();
    this.#allGood = world.vm.vcpus.map(() => new Map<number, Translation[]>());
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
      const now = this.walk(page);
      const good = this.#good.get(page) ?? [];
      if (!good.some((old) => sameTranslation(old, now))) good.push(now);
      this.#good.set(page, good);
    }
  }

  invalidate(gva: number): void {
    const page = gva - (gva % PAGE);
    // A large page is one translation, whatever its pages.
    const inLarge = (each: number): boolean => each >= WINDOWS[2] && each < WINDOWS[2] + 0x40_0000;
    const same = inLarge(page) ? WINDOW_GVAS.filter(inLarge) : [page];
    for (const each of same) this.#good.set(each, [this.walk(each)]);
  }

  invalidateAll(): void {
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
    const { control } = this.#world;
    if (control.paging === 'flat') return { gpa: gva, writable: true, user: true, executable: true };
    const cr3 = this.#world.cr3();
    if (control.paging === '32-bit') {
      return this.#directory(cr3 + (gva >>> 22) * 4, gva, 0x3f_ffff, 4, 6);
    }
    let rights = 6;
    let table = cr3;
    if (control.paging === '4-level') {
      const pml4e = this.#entry(table);
      rights &= pml4e;
      table = pml4e & ~0xfff;
    }
    const pdpte = this.#entry(table + (gva >>> 30) * 8);
    if ((pdpte & 1) === 0) return NOT_PRESENT;
    if (control.paging === '4-level') rights &= pdpte;
    return this.#directory((pdpte & ~0xfff) + ((gva >>> 21) & 0x1ff) * 8, gva, 0x1f_ffff, 8, rights);
  }

  /** From the page directory's entry on. */
  #directory(pdeAt: number, gva: number, largeMask: number, entryBytes: number, above: number): Translation {
    const pde = this.#entry(pdeAt);
    if ((pde & 1) === 0) return NOT_PRESENT;
    const rights = above & pde;
    const directoryForbids = entryBytes === 8 && this.#entry(pdeAt + 4) !== 0;
    if (directoryForbids && !this.#world.control.noExecute) return NOT_PRESENT;
    if ((pde & 0x80) !== 0) {
      const gpa = ((pde & ~largeMask) | (gva & largeMask & ~0xfff)) >>> 0;
      return { gpa, writable: (rights & 2) !== 0, user: (rights & 4) !== 0, executable: !directoryForbids };
    }
    const at = (pde & ~0xfff) + ((gva & largeMask) >>> 12) * entryBytes;
    const pte = this.#entry(at);
    const forbids = entryBytes === 8 && this.#entry(at + 4) !== 0;
    // Bit 63 is reserved while EFER.NXE is clear.
    if ((pte & 1) === 0 || (forbids && !this.#world.control.noExecute)) return NOT_PRESENT;
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
