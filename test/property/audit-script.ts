/** Carries scripts out against the oracle and the auditor, and prints them as code. */
import { VCPU_F_INSNS } from '../../core/arena/vcpu-layout.ts';
import { HVA_BASE } from '../../core/base/address.ts';
import type { Era } from '../../core/base/machine-modes.ts';
import { violationLines } from '../../core/format/audit-text.ts';
import { auditMmu } from '../../core/kvm/audit/audit.ts';
import { mmioGenerationOf } from '../../core/kvm/eras.ts';
import { GVAS, HOSTS, pick, PLACES, SMALL_PAGES, TARGETS } from './audit-addresses.ts';
import { Crossing } from './audit-crossing.ts';
import { hex, Oracle, type OracleSlot } from './audit-oracle.ts';
import type { Step } from './audit-steps.ts';
import {
  CODE_OFFSET,
  DATA_OFFSET,
  FIRST_DATA_FRAME,
  PAGE,
  TABLES,
  WINDOW_PAGES,
  WINDOWS,
  World,
  type WorldOptions,
} from './audit-world.ts';

const LOG = 1;
/** Bytes of a store. */
type Size = 1 | 2 | 4;

/** Where the eras' generations go round or are zapped. */
const GENERATION_END: Readonly<Record<Era, number>> = {
  patch: 0x7_fffe,
  'v3.11': 0x7_fffe,
  'v3.10': 0,
  'v3.17': 0x10_0000,
  'v6.8': 0x8_0000,
};

export class Script {
  readonly world: World;
  readonly oracle: Oracle;
  #value = 0x1000_0001;
  #steps = 0;

  constructor(options: WorldOptions) {
    this.world = new World(options);
    this.oracle = new Oracle(this.world);
  }

  /** Carries a step out. @throws when the guest sees what it must not, or the auditor finds something */
  play(step: Step): void {
    this.#carryOut(step);
    this.oracle.noteTables();
    // All of memory, and all free descriptors, are dear to look through.
    this.#steps += 1;
    if (this.#steps % 4 === 0) this.seekStrayStore();
    const { violations } = auditMmu(this.world.vm.mmu, { limit: 3, descriptors: this.#steps % 16 === 0 });
    const own = violations.filter(({ eraBug }) => eraBug === undefined);
    if (own.length === 0) return;
    const insns = this.world.vcpu.cpu.f[VCPU_F_INSNS];
    const found = own.map(({ rule, text }) => `${rule}: ${text}`).join('; ');
    throw new Error([`audit: ${found}`, ...violationLines(insns, own[0])].join('\n'));
  }

  seekStrayStore(): void {
    const stray = this.oracle.strayStore();
    if (stray !== undefined) throw new Error(`a store went astray: ${stray}`);
  }

  #carryOut(step: Step): void {
    const { world, oracle } = this;
    switch (step.do) {
      case 'read':
        return this.#read(this.#addressOf(step.at), step.user);
      case 'fetch':
        return this.#fetch(this.#addressOf(step.at) - DATA_OFFSET + CODE_OFFSET, step.user);
      case 'write':
        return this.#store(this.#addressOf(step.at), step.byte ? 1 : 4, step.user);
      case 'cross':
        return this.#cross(this.#addressOf(step.at) - DATA_OFFSET + PAGE - 2, step.write, step.user);
      case 'spread':
        return this.#spread(step.tables);
      case 'add':
        return this.#add(this.#addressOf(step.at), step.locked);
      case 'map': {
        const gva = this.#windowGva(step.at);
        this.#writeEntry(this.#leafEntry(gva), (pick(TARGETS, step.to) | step.bits) >>> 0, 4);
        if (step.invlpg) this.#invlpg(gva);
        return;
      }
      case 'protect': {
        const gva = this.#windowGva(step.at);
        const entry = this.#leafEntry(gva);
        this.#writeEntry(entry, ((world.peek32(entry) & ~(PAGE - 1)) | step.bits) >>> 0, 4);
        if (step.invlpg) this.#invlpg(gva);
        return;
      }
      case 'direct': {
        this.#writeEntry(this.#directoryEntry(step.window), this.#directoryValue(step.to, step.bits), 4);
        if (!step.invlpg) return;
        for (let n = 0; n < WINDOW_PAGES; n++) this.#invlpg(WINDOWS[step.window] + n * PAGE);
        return;
      }
      case 'scribble':
        return this.#scribble(step.at, step.upper, step.byte, step.value);
      case 'straddle':
        return this.#straddle(step.at, step.upper, step.value);
      case 'upper':
        return this.#hangDirectory(step.on, step.reload);
      case 'invlpg':
        return this.#invlpg(this.#windowGva(step.at));
      case 'cr3':
        world.loadCr3(step.space);
        return oracle.invalidateAll();
      case 'paging': {
        const { current } = world;
        for (const id of world.vm.vcpus.keys()) {
          if (!step.all && id !== current) continue;
          world.current = id;
          world.enter({ paging: step.paging, space: step.space, writeProtect: step.wp, noExecute: step.nx });
          oracle.invalidateAll();
        }
        world.current = current;
        return;
      }
      case 'vcpu':
        world.current = step.id % world.vm.vcpus.length;
        return;
      case 'no-execute': {
        if (world.control.paging !== 'pae' && world.control.paging !== '4-level') return;
        const gva = this.#windowGva(step.at);
        this.#writeEntry(this.#anyEntry(step.at, step.upper) + 4, step.on ? 0x8000_0000 : 0, 4);
        if (step.invlpg) this.#invlpg(gva);
        return;
      }
      case 'wp':
        world.setWriteProtect(step.on);
        return;
      case 'slot':
        return this.#setSlot(step.id, pick(PLACES, step.place), step.pages, pick(HOSTS, step.host), step.flags);
      case 'delete':
        return this.#setSlot(this.#someSlot(step.id)?.id ?? step.id, 0, 0, 0, 0);
      case 'move': {
        const slot = this.#someSlot(step.id);
        if (slot === undefined) return;
        return this.#setSlot(slot.id, pick(PLACES, step.place), slot.bytes / PAGE, slot.host / PAGE, slot.flags);
      }
      case 'flags': {
        const slot = this.#someSlot(step.id);
        if (slot === undefined) return;
        return this.#setSlot(slot.id, slot.gpa, slot.bytes / PAGE, slot.host / PAGE, slot.flags ^ LOG);
      }
      case 'dirty-log':
        return this.#readDirtyLog(this.#someSlot(step.id, LOG)?.id ?? step.id);
      case 'quota':
        world.vm.setNrMmuPages(step.pages);
        return;
      case 'shrink':
        world.vm.shrinkMmu();
        return;
      case 'generation':
        return this.#setGeneration(step.toEnd);
    }
  }

  /** One of the slots that are there, the home apart, with a flag. */
  #someSlot(n: number, flag = 0): OracleSlot | undefined {
    const slots = [...this.oracle.slots.values()].filter(({ id, flags }) => id !== 0 && (flags & flag) === flag);
    return slots.length === 0 ? undefined : pick(slots, n);
  }

  #addressOf(at: number): number {
    return (this.world.control.paging === 'flat' ? pick(TARGETS, at) : pick(GVAS, at)) + DATA_OFFSET;
  }

  #windowGva(at: number): number {
    return pick(SMALL_PAGES, at);
  }

  #leafEntry(gva: number): number {
    if (this.world.control.paging === '32-bit') {
      return (gva >= WINDOWS[1] ? TABLES.other32 : TABLES.window32) + ((gva >>> 12) & 0x3ff) * 4;
    }
    const isSecond = ((gva >>> 21) & 0x1ff) === ((WINDOWS[1] >>> 21) & 0x1ff);
    return (isSecond ? TABLES.other64 : TABLES.window64) + ((gva >>> 12) & 0x1ff) * 8;
  }

  #directoryEntry(window: number): number {
    const directory = this.world.directory();
    if (this.world.control.paging === '32-bit') return directory + (WINDOWS[window] >>> 22) * 4;
    return directory + ((WINDOWS[window] >>> 21) & 0x1ff) * 8;
  }

  /** A table, the other, two large pages, the directory itself, or a large page of the home with all its tables. */
  #directoryValue(to: number, bits: number): number {
    const narrow = this.world.control.paging === '32-bit';
    const tables = narrow ? [TABLES.window32, TABLES.other32] : [TABLES.window64, TABLES.other64];
    const large = 0x80;
    if (to < 2) return tables[to] | bits;
    if (to === 4) return this.world.directory() | bits;
    return ((to === 2 ? 0x200_0000 : to === 3 ? 0xe000_0000 : 0) | bits | large) >>> 0;
  }

  /** The second place of the page directory in long mode, where nothing may be left of before when it comes back. */
  #hangDirectory(on: boolean, reload: boolean): void {
    const { control } = this.world;
    if (control.paging !== '4-level') return;
    this.#writeEntry(TABLES.pdpt4[control.space] + 16, on ? TABLES.pd64[control.space] | 7 : 0, 4);
    if (!reload) return;
    this.world.loadCr3(control.space);
    this.oracle.invalidateAll();
  }

  /** One byte. The lowest keeps its reserved bits; the next holds address bits 12–15 at most, and none of a large page. */
  #scribble(at: number, upper: boolean, byte: number, value: number): void {
    const entry = this.#anyEntry(at, upper);
    if (upper && (this.world.peek32(entry) & 0x80) !== 0) return;
    this.#writeEntry(entry + byte, byte === 0 ? value & 0x67 : value & 0xf0, 1);
  }

  /**
   * A store that begins in the entry before, and changes nothing there. Two bytes of entries of eight: KVM rounds four down to
   * the first entry before it looks whether they lie in one (mmu_pte_write_fetch_gpte).
   */
  #straddle(at: number, upper: boolean, value: number): void {
    const entry = this.#anyEntry(at, upper);
    const before = this.world.peek32(entry - 4);
    if (upper && (this.world.peek32(entry) & 0x80) !== 0) return;
    if (this.world.control.paging === '32-bit') this.#writeEntry(entry - 2, ((value << 16) | (before >>> 16)) >>> 0, 4);
    else this.#writeEntry(entry - 1, ((value & 0xff) << 8) | (before >>> 24), 2);
  }

  #anyEntry(at: number, upper: boolean): number {
    return upper ? this.#directoryEntry(at % 3) : this.#leafEntry(this.#windowGva(at));
  }

  #spread(tables: number): void {
    if (this.world.control.paging !== 'flat') return;
    for (let n = 0; n < tables; n++) this.#read(0x4000_0000 + n * 0x20_0000, false);
  }

  #read(gva: number, user: boolean): void {
    const allowed = this.oracle.reads(gva, user);
    const { kind, eax } = this.world.read(gva, user);
    const seen = kind === 'fault' ? kind : eax;
    if (!allowed.has(seen)) this.#wrong(`a read of ${hex(gva)}`, seen, [...allowed]);
  }

  #fetch(gva: number, user: boolean): void {
    const access = { kind: 'fetch', user } as const;
    const frames: (number | 'fault' | 'mmio')[] = this.oracle.targets(gva, access).map((gpa) => {
      const host = this.oracle.hostOf(gpa);
      return host === undefined ? 'mmio' : Math.floor(host / PAGE);
    });
    if (this.oracle.mayFault(gva, access)) frames.push('fault');
    // What is not data has no code, and devices have none that KVM could execute.
    if (frames.some((frame) => frame === 'mmio' || (typeof frame === 'number' && frame < FIRST_DATA_FRAME))) return;
    const { kind, eax } = this.world.fetch(gva, user);
    const seen = kind === 'fault' ? kind : eax;
    if (!frames.includes(seen)) this.#wrong(`a fetch from ${hex(gva)}`, seen, frames);
  }

  #store(gva: number, size: 1 | 4, user: boolean): void {
    this.#value = (this.#value + 0x0101_0203) >>> 0;
    if (this.oracle.endangers(this.oracle.targets(gva, { kind: 'write', user }))) return;
    this.#write(gva, this.#value, size, user);
  }

  /** Four bytes over the end of a page, two in each. */
  #cross(gva: number, write: boolean, user: boolean): void {
    this.#value = (this.#value + 0x0101_0203) >>> 0;
    const crossing = new Crossing(this.world, this.oracle, gva, user);
    if (!crossing.isTracked || (write && crossing.endangers())) return;
    const wrong = write ? crossing.write(this.#value) : crossing.read();
    if (wrong !== undefined) throw new Error(wrong);
  }

  #write(gva: number, value: number, size: Size, user: boolean): void {
    const access = { kind: 'write', user } as const;
    const targets = this.oracle.targets(gva, access);
    const stale = targets.filter((gpa) => this.oracle.staleCache(gva, gpa));
    const mayFault = this.oracle.mayFault(gva, access);
    const { accesses } = this.world.bus;
    const before = accesses.length;
    const { kind } = this.world.write(gva, value, size, user);
    this.#settle(`a write of ${hex(value)} to ${hex(gva)}`, kind, targets, stale, mayFault, value, size, before);
  }

  #add(gva: number, locked: boolean): void {
    if (this.oracle.translations(gva).length !== 1) return;
    const [target] = this.oracle.targets(gva, { kind: 'write', user: false } as const);
    if (target !== undefined && this.oracle.endangers([target])) return;
    const stale = target !== undefined && this.oracle.staleCache(gva, target) ? [target] : [];
    const host = target === undefined ? undefined : this.oracle.hostOf(target);
    const old = host === undefined ? 0xffff_ffff : this.world.peek32(host);
    const mayFault = this.oracle.mayFault(gva, { kind: 'write', user: false } as const);
    const before = this.world.bus.accesses.length;
    const { kind } = this.world.add(gva, 3, locked);
    const value = (stale.length > 0 && this.world.bus.accesses.length > before ? 2 : old + 3) >>> 0;
    const targets = target === undefined ? [] : [target];
    this.#settle(`an addition at ${hex(gva)}`, kind, targets, stale, mayFault, value, 4, before);
  }

  /** Where a store went, and whether it may have gone there. */
  #settle(
    what: string,
    kind: 'done' | 'fault',
    targets: readonly number[],
    stale: readonly number[],
    mayFault: boolean,
    value: number,
    size: Size,
    accessesBefore: number,
  ): void {
    const { world, oracle } = this;
    if (kind === 'fault') {
      if (!mayFault) this.#wrong(what, 'fault', targets.map(hex));
      return;
    }
    const stores = world.bus.accesses.slice(accessesBefore).filter(({ write }) => write);
    const mask = size === 4 ? 0xffff_ffff : size === 2 ? 0xffff : 0xff;
    if (stores.length > 0) {
      const [{ gpa, value: stored }] = stores;
      const devices = targets.filter((target) => oracle.writableHost(target) === undefined);
      const good = [...devices, ...stale].some((target) => BigInt(target) === gpa) || stale.length > 0;
      if (!good || Number(stored) !== (value & mask) >>> 0)
        this.#wrong(what, `mmio at 0x${gpa.toString(16)} of 0x${stored.toString(16)}`, targets.map(hex));
      return;
    }
    for (const gpa of targets) {
      const host = oracle.writableHost(gpa);
      if (host === undefined) continue;
      if ((world.peek32(host) & mask) >>> 0 !== (value & mask) >>> 0) continue;
      oracle.noteStore(gpa, host, size);
      return;
    }
    this.#wrong(what, 'nowhere', targets.map(hex));
  }

  /** The guest writes one of its entries, by the identity mapping of its home. */
  #writeEntry(gpa: number, value: number, size: Size): void {
    this.#write(gpa, value, size, false);
  }

  #invlpg(gva: number): void {
    this.world.invlpg(gva);
    this.oracle.invalidate(gva);
  }

  #setSlot(id: number, gpa: number, pages: number, frame: number, flags: number): void {
    const { world, oracle } = this;
    const old = oracle.slots.get(id);
    const done = world.vm.setUserMemoryRegion({
      slot: id,
      flags,
      guestPhysAddr: BigInt(gpa),
      memorySize: BigInt(pages * PAGE),
      userspaceAddr: HVA_BASE + BigInt(frame * PAGE),
    });
    if (!done.ok) return;
    if (pages === 0) oracle.slots.delete(id);
    else oracle.slots.set(id, { id, gpa, bytes: pages * PAGE, host: frame * PAGE, flags });
    if (pages === 0 || (flags & 1) === 0 || ((old?.flags ?? 0) & 1) === 0) oracle.dirty.delete(id);
  }

  #readDirtyLog(id: number): void {
    const written = this.oracle.dirty.get(id) ?? new Set<number>();
    const log = this.world.vm.getDirtyLog(id);
    if (!log.ok) return;
    for (const page of written) {
      if (((log.value[page >>> 3] >>> (page & 7)) & 1) === 0) {
        throw new Error(`page ${page} of slot ${id} was written, and its dirty log does not say so`);
      }
    }
    this.oracle.dirty.delete(id);
  }

  #setGeneration(toEnd: number): void {
    const { vm, era } = this.world;
    if (era === 'v3.10') return;
    const now = vm.memslotsGeneration();
    const ahead = GENERATION_END[era] - 2 - 2 * toEnd - mmioGenerationOf(era, now);
    // Only forward: what has been lived through is not lived through again.
    if (ahead > 1) vm.setMemslotsGeneration(BigInt.asUintN(64, now + BigInt(ahead & ~1)));
  }

  #wrong(what: string, seen: number | string, allowed: readonly (number | string)[]): never {
    const text = (value: number | string): string => (typeof value === 'number' ? hex(value) : value);
    throw new Error(`${what} came to ${text(seen)}, allowed: ${allowed.map(text).join(', ') || 'nothing'}`);
  }
}

/** Plays a script from its beginning; the error of a step says which it was. */
export function playScript(options: WorldOptions, steps: readonly Step[]): Script {
  const script = new Script(options);
  for (const [n, step] of steps.entries()) {
    try {
      script.play(step);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`step ${n + 1} (${step.do}): ${reason}`, { cause: error });
    }
  }
  script.seekStrayStore();
  return script;
}

const fieldsText = (fields: object): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? `'${value}'` : value}`)
    .join(', ');

/** The script as a call that a unit test can hold. */
export const scriptText = (options: WorldOptions, steps: readonly Step[]): string =>
  [`playScript({ ${fieldsText(options)} }, [`, ...steps.map((step) => `  { ${fieldsText(step)} },`), ']);'].join('\n');
