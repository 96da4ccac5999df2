/** An access of four bytes over the end of a page, held against the oracle: each half has its page's translations. */
import { FIRST_DATA_FRAME, HOME_BYTES, PAGE, WINDOW_GVAS, type World } from './audit-world.ts';
import { hex, type Oracle } from './audit-oracle.ts';

const HALF = 2;

export class Crossing {
  readonly #world: World;
  readonly #oracle: Oracle;
  readonly #user: boolean;
  /** Linear addresses of the halves. */
  readonly #gvas: readonly [number, number];

  constructor(world: World, oracle: Oracle, gva: number, user: boolean) {
    this.#world = world;
    this.#oracle = oracle;
    this.#user = user;
    this.#gvas = [gva, gva + HALF];
  }

  /** Of both pages the oracle knows what their TLB entries may still say, or those never change. */
  get isTracked(): boolean {
    if (this.#world.control.paging === 'flat') return true;
    return this.#gvas.every((gva) => gva < HOME_BYTES || WINDOW_GVAS.includes(gva - (gva % PAGE)));
  }

  /** Whether a store may go to guest tables, whose first and last entries it would make of anything. */
  endangers(): boolean {
    return this.#gvas.some((_, half) =>
      this.#targets(half, true).some((gpa) => {
        const host = this.#oracle.hostOf(gpa);
        return host !== undefined && host < FIRST_DATA_FRAME * PAGE;
      }),
    );
  }

  /** @returns what is wrong with what was read */
  read(): string | undefined {
    const [low, high] = [this.#halvesRead(0), this.#halvesRead(1)];
    const mayFault = this.#mayFault(false);
    const { kind, eax } = this.#world.read(this.#gvas[0], this.#user);
    if (kind === 'fault') return mayFault ? undefined : this.#came('read', 'a fault');
    if (low.has(eax & 0xffff) && high.has(eax >>> 16)) return undefined;
    const allowed = [low, high].map((half) => [...half].map(hex).join(' or ')).join(', then ');
    return `${this.#came('read', hex(eax))}, allowed: ${allowed}`;
  }

  /** @returns what is wrong with where the store went */
  write(value: number): string | undefined {
    const targets = this.#gvas.map((_, half) => this.#targets(half, true));
    const stale = targets.map((each, half) => each.some((gpa) => this.#oracle.staleCache(this.#gvas[half], gpa)));
    const mayFault = this.#mayFault(true);
    const { accesses } = this.#world.bus;
    const before = accesses.length;
    const { kind } = this.#world.write(this.#gvas[0], value, 4, this.#user);
    if (kind === 'fault') return mayFault ? undefined : this.#came('write', 'a fault');
    const stores = accesses.slice(before).filter(({ write }) => write);
    for (const half of [0, 1]) {
      const bytes = half === 0 ? value & 0xffff : value >>> 16;
      const fragment = stores.find(({ gpa }) => (Number(gpa) % PAGE === 0) === (half === 1));
      if (fragment === undefined) {
        if (!this.#reachedMemory(targets[half], bytes)) return this.#came('write', `nothing, of its half ${half}`);
        continue;
      }
      const isDevice = targets[half].some(
        (gpa) => BigInt(gpa) === fragment.gpa && (stale[half] || this.#oracle.writableHost(gpa) === undefined),
      );
      // By gva the cache may know a frame that the page no longer maps.
      if (!(isDevice || stale[half]) || Number(fragment.value) !== bytes || fragment.size !== HALF) {
        return this.#came('write', `mmio at 0x${fragment.gpa.toString(16)} of 0x${fragment.value.toString(16)}`);
      }
    }
    return undefined;
  }

  #reachedMemory(targets: readonly number[], bytes: number): boolean {
    for (const gpa of targets) {
      const host = this.#oracle.writableHost(gpa);
      if (host === undefined || this.#world.peek16(host) !== bytes) continue;
      this.#oracle.noteStore(gpa, host, HALF);
      return true;
    }
    return false;
  }

  #targets(half: number, write: boolean): readonly number[] {
    return this.#oracle.targets(this.#gvas[half], { kind: write ? 'write' : 'read', user: this.#user });
  }

  #mayFault(write: boolean): boolean {
    const access = { kind: write ? 'write' : 'read', user: this.#user } as const;
    return this.#gvas.some((gva) => this.#oracle.mayFault(gva, access));
  }

  #halvesRead(half: number): ReadonlySet<number> {
    const values = new Set<number>();
    for (const gpa of this.#targets(half, false)) {
      const host = this.#oracle.hostOf(gpa);
      if (host === undefined || this.#oracle.staleCache(this.#gvas[half], gpa)) values.add(0xffff);
      if (host !== undefined) values.add(this.#world.peek16(host));
    }
    return values;
  }

  #came(what: string, to: string): string {
    return `a ${what} over the end of the page at ${hex(this.#gvas[0])} came to ${to}`;
  }
}
