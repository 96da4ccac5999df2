/**
 * A scripted stand-in for the host: a small machine with two slots, a device, and a gfn whose MMIO spte turns stale when the
 * memslots change. Enough for the stores to be tested and for the window to be looked at; it runs no guest.
 */
import type {
  Answer,
  BreakpointSnapshot,
  EngineEvent,
  MachineStatus,
  MemslotOutcome,
  MemslotSnapshot,
  MenuCommand,
  MmioFaultRecord,
  Moment,
  Params,
  Reply,
  RequestError,
  RequestName,
  TraceLine,
  UmbraDesktop,
  UserMemoryRegion,
} from '@core/protocol/index.ts';
import { FakeDesktop } from './fake-desktop.ts';
import { breakpointText } from '../../../core/debug/breakpoints/breakpoint-text.ts';
import { FakeEdits } from './fake-edits.ts';
import { isRefusal, refused } from './fake-refusal.ts';
import {
  breakpointSnapshot,
  fakeDecode,
  fakeDisassembly,
  fakeMarks,
  fakeInverse,
  fakePoke,
  fakeSlot,
  fakeSptes,
  fakeStats,
  HVA_BASE,
} from './fake-snapshots.ts';

export { HVA_BASE } from './fake-snapshots.ts';
export const MMIO_GFN = 0xfeb00;
export const ENTRY = 0x10_0000n;

type Handlers = { readonly [K in RequestName]?: (params: Params<K>) => Reply<K> | RequestError };

export class FakeEngine extends FakeDesktop implements UmbraDesktop {
  /** Every request, in order. */
  readonly requests: { readonly name: RequestName; readonly params: unknown }[] = [];
  readonly edits = new FakeEdits();
  epoch = 1;
  insns = 0;
  generation = 2n;
  spteGeneration = -1;
  rip = ENTRY;
  state: MachineStatus['state'] = 'empty';
  reason: MachineStatus['reason'] = { kind: 'none' };
  slots: MemslotSnapshot[] = [fakeSlot(0, 0n, 0xa0000n), fakeSlot(1, 0x10_0000n, 0x7f0_0000n)];
  breakpoints: BreakpointSnapshot[] = [];
  faults: MmioFaultRecord[] = [];
  /** Bytes that reads of ports would give. */
  readonly ports = new Map<number, number>();
  tracepoints: readonly string[] = [];
  traced: TraceLine[] = [];
  /** Lines that log breakpoints have written. */
  logLines: Reply<'breakpoints.log'>['lines'][number][] = [];
  serial = new TextEncoder().encode('poller: gpa 0xfeb00000 is MMIO\r\n');
  /** Four columns, two rows of character and attribute. */
  screen = Uint8Array.from([65, 7, 66, 7, 0xc9, 0x1f, 67, 0x1f, 68, 7, 69, 7, 70, 7, 71, 0x87]);
  changes: Reply<'generation.read'>['events'][number][] = [];
  /** What every request is answered with while it is set. */
  refuseAll: RequestError | undefined;
  /** How a step over ends, or that it does not. */
  stepsOver: Parameters<FakeEngine['stop']> = [{ kind: 'step' }];
  /** Requests are held back while this is set. */
  gate: Promise<void> | undefined;
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  readonly #menuListeners = new Set<(command: MenuCommand) => void>();

  async request<K extends RequestName>(name: K, params: Params<K>): Promise<Answer<K>> {
    this.requests.push({ name, params });
    if (this.refuseAll) return { ok: false, error: this.refuseAll };
    const handler = this.#handlers[name];
    const value = handler ? handler(params) : refused(`${name} is not scripted`);
    await this.gate;
    return isRefusal(value) ? { ok: false, error: value } : { ok: true, value: value as Reply<K> };
  }

  onEvent(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onMenu(listener: (command: MenuCommand) => void): () => void {
    this.#menuListeners.add(listener);
    return () => this.#menuListeners.delete(listener);
  }

  /** Enough of a console: an answer with an address, a refusal with a place, steps that repeat. */
  #consoleLine(line: string, vcpu: number): Reply<'console.run'> {
    const reply = { lines: [] as string[], refusal: undefined, vcpu, repeat: '', restarted: false, edits: [] };
    if (line === 'poke') return { ...reply, edits: [fakePoke(vcpu)] };
    if (line === 'bad word')
      return { ...reply, refusal: { errno: 'EINVAL', message: 'word is bad.', at: 4, length: 4 } };
    if (line === 'step') return { ...reply, lines: ['after a step'], repeat: 'step' };
    if (line === 'continue') this.stop({ kind: 'none' }, 'running');
    if (line === 'where')
      return { ...reply, lines: ['on request, after 7 instructions', '=> 0x100000 <main>: nop', 'more'] };
    return { ...reply, lines: [`you said ${line}`, 'gpa 0xfee00000: here'] };
  }

  emit(event: EngineEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  choose(command: MenuCommand): void {
    for (const listener of this.#menuListeners) listener(command);
  }

  get moment(): Moment {
    const { epoch, insns, generation } = this;
    const mmioGeneration = Number(generation & 0x7ffffn);
    return { epoch, live: this.state === 'running', insns, memslotsGeneration: generation, mmioGeneration };
  }

  get status(): MachineStatus {
    return {
      moment: this.moment,
      state: this.state,
      reason: this.reason,
      image: this.present?.image.name ?? 'poller',
      mmu: 'ept',
      era: 'patch',
      maxPhyAddr: 40,
      l1tfCacheBits: undefined,
      hostPages: '4k',
      eptAd: false,
      threads: false,
      ramBytes: 128 * 1024 * 1024,
      vcpus: [{ id: 0, rip: this.rip, cpl: 0, mode: '64-bit', activity: 'running', lastExit: 'EPT_MISCONFIG' }],
      generationsToWrap: 0x7fffe - Number(this.generation & 0x7ffffn),
    };
  }

  get isStale(): boolean {
    return this.spteGeneration >= 0 && this.spteGeneration !== this.moment.mmioGeneration;
  }

  /** The machine stands still at a new moment, and says so. */
  stop(reason: MachineStatus['reason'], state: MachineStatus['state'] = 'paused'): MachineStatus {
    this.epoch += 1;
    this.state = state;
    this.reason = reason;
    this.emit({ kind: 'status', status: this.status });
    return this.status;
  }

  /** The guest reads the MMIO page. */
  touch(outcome: MmioFaultRecord['outcome']): void {
    const kvmGen = this.moment.mmioGeneration;
    this.insns += 1234;
    this.faults.push({
      seq: this.faults.length,
      insns: this.insns,
      vcpu: 0,
      rip: 0x10_0042n,
      gva: 0xfeb0_0010n,
      gpa: 0xfeb0_0010n,
      access: this.faults.length % 3 === 2 ? 'write' : 'read',
      outcome,
      spte: 0xc000_0000_feb0_0006n | (BigInt(Math.max(0, this.spteGeneration)) << 3n),
      spteGen: this.spteGeneration,
      kvmGen,
      size: 4,
      value: BigInt(this.faults.length * 0x11),
      claim: 'device',
      device: 'mmio-bank',
    });
    this.spteGeneration = kvmGen;
  }

  #change(region: UserMemoryRegion, isReal: boolean): Reply<'memslots.set'> | RequestError {
    const colliding = this.slots.find(
      ({ id, gpa, size }) =>
        id !== region.slot && region.guestPhysAddr < gpa + size && gpa < region.guestPhysAddr + region.memorySize,
    );
    if (region.memorySize % 0x1000n !== 0n) {
      const message = 'memory_size is no multiple of the page size; round it to 4 KiB.';
      return refused(message, { errno: 'EINVAL', check: 'size-unaligned', message, collidingSlot: undefined });
    }
    if (colliding) {
      const message = `The range overlaps slot ${colliding.id}; choose another range or delete that slot first.`;
      return refused(message, { errno: 'EEXIST', check: 'overlap', message, collidingSlot: colliding.id });
    }
    const old = this.slots.find(({ id }) => id === region.slot);
    const change = region.memorySize === 0n ? 'DELETE' : old ? 'MOVE' : 'CREATE';
    const bumps = change === 'CREATE' ? 1n : 2n;
    const before = this.generation;
    const report = {
      change,
      generationBefore: before,
      generationAfter: before + bumps,
      mmioGenerationBefore: Number(before & 0x7ffffn),
      mmioGenerationAfter: Number((before + bumps) & 0x7ffffn),
      mmioSptesGoneStale: this.spteGeneration >= 0 && !this.isStale ? 1 : 0,
      pagesZapped: 0,
      pagesWalkedBefore: 7,
      wrapped: false,
    } as const;
    if (!isReal) return report;
    this.generation += bumps;
    this.slots = this.slots.filter(({ id }) => id !== region.slot);
    if (region.memorySize > 0n) {
      this.slots.push({ ...fakeSlot(region.slot, region.guestPhysAddr, region.memorySize), hva: region.userspaceAddr });
    }
    this.changes.push({
      insns: this.insns,
      kind: change === 'CREATE' ? 'create' : change === 'DELETE' ? 'delete' : 'move',
      slot: region.slot,
      before: report.mmioGenerationBefore,
      after: report.mmioGenerationAfter,
      text: `slot ${region.slot}: ${change}`,
    });
    this.epoch += 1;
    this.emit({ kind: 'status', status: this.status });
    return report;
  }

  /** Calls made for good until one is refused, or tried out and taken back. */
  #changeAll(regions: readonly UserMemoryRegion[], isReal: boolean): readonly MemslotOutcome[] {
    const { slots, generation, spteGeneration } = this;
    const outcomes: MemslotOutcome[] = [];
    for (const region of regions) {
      const answer = this.#change(region, false);
      if (isRefusal(answer)) {
        const { message } = answer;
        const refusal = answer.memslot ?? { errno: 'EINVAL', check: 'script', message, collidingSlot: undefined };
        outcomes.push({ kind: 'refusal', refusal });
        break;
      }
      outcomes.push({ kind: 'report', report: answer });
      if (isReal) this.#change(region, true);
      else this.#tryOut(region, answer.generationAfter);
    }
    if (!isReal) Object.assign(this, { slots, generation, spteGeneration });
    return regions.map((_region, i) => outcomes.at(i) ?? { kind: 'unreached' });
  }

  #tryOut(region: UserMemoryRegion, generation: bigint): void {
    this.generation = generation;
    this.slots = this.slots.filter(({ id }) => id !== region.slot);
    if (region.memorySize > 0n) this.slots.push(fakeSlot(region.slot, region.guestPhysAddr, region.memorySize));
  }

  #apply(regions: readonly UserMemoryRegion[]): Reply<'memslots.apply'> {
    const promised = this.#changeAll(regions, false);
    const applied = promised.every(({ kind }) => kind === 'report');
    const inverse = applied ? regions.map((region) => fakeInverse(this.slots, region)).toReversed() : [];
    const outcomes = applied ? this.#changeAll(regions, true) : promised;
    return { moment: this.moment, applied, outcomes, promised, inverse };
  }

  readonly #handlers: Handlers = {
    'engine.hello': ({ version }) => ({ version }),
    'machine.status': () => this.status,
    'machine.create': ({ image, name, options }) => {
      this.present = { image: { name, bytes: Uint8Array.from(image) }, options };
      return this.stop({ kind: 'loaded' });
    },
    'machine.reset': () => this.stop({ kind: 'loaded' }),
    'run.continue': () => {
      this.state = 'running';
      this.emit({ kind: 'status', status: this.status });
      return this.status;
    },
    'run.pause': () => this.stop({ kind: 'paused' }),
    'run.step': () => {
      this.rip += 5n;
      this.insns += 1;
      return this.stop({ kind: 'step' });
    },
    'run.stepOver': () => this.stop(...this.stepsOver),
    'run.to': ({ address }) => {
      this.rip = address;
      return this.stop({ kind: 'run-to', address });
    },
    'registers.read': () => this.edits.registers(this.moment, this.rip),
    'registers.write': ({ name, value, hidden, pair }) => {
      if (name.startsWith('cr')) return { ...refused(`${name} cannot be written in this script.`), errno: 'EINVAL' };
      this.edits.hidden = hidden;
      this.edits.written.set(name, value);
      if (pair) this.edits.written.set(pair.name, pair.value);
      return this.edits.registers(this.moment, this.rip);
    },
    'memory.read': (params) => this.edits.memory(this.moment, params),
    'memory.search': (params) => this.edits.search(this.moment, params),
    'symbols.at': ({ addresses }) => addresses.map((address) => (address === ENTRY ? 'start' : undefined)),
    'memory.write': (params) => this.edits.poke(this.moment, params),
    'disassembly.read': (wish) => fakeDisassembly(this.moment, wish, this.rip),
    'disassembly.marks': (wish) => fakeMarks(this.moment, wish, this.rip),
    'symbols.search': ({ query }) =>
      [
        { name: '_start', address: ENTRY, size: 64 },
        { name: 'poll', address: 0x10_0040n, size: 96 },
      ].filter(({ name }) => name.includes(query)),
    'memslots.read': () => ({
      moment: this.moment,
      slots: this.slots,
      devices: [
        { name: 'vga', gpa: 0xb8000n, size: 0x8000n },
        { name: 'mmio-bank', gpa: 0xfeb0_0000n, size: 0x1000n },
      ],
      userSlots: 509,
      hvaBase: HVA_BASE,
      hvaBytes: 0x800_0000n,
    }),
    'memslots.preview': ({ region }) => this.#change(region, false),
    'memslots.set': ({ region }) => this.#change(region, true),
    'memslots.previewAll': ({ regions }) => ({ moment: this.moment, outcomes: this.#changeAll(regions, false) }),
    'memslots.apply': ({ regions }) => this.#apply(regions),
    'memslots.dirtyLog': () => ({ moment: this.moment, bitmap: Uint8Array.of(0b0110_0001, 0, 0, 0, 0, 0, 0, 0) }),
    'sptes.pages': () => ({ moment: this.moment, pages: fakeSptes.pages(this.spteGeneration, this.isStale) }),
    'sptes.rows': ({ filter, offset = 0, limit }) =>
      fakeSptes.rows(this.moment, this.spteGeneration, this.isStale, filter, offset, limit),
    'sptes.heat': ({ start, length, buckets }) => {
      const fresh = new Uint32Array(buckets);
      const stale = new Uint32Array(buckets);
      const at = Number(((0xfeb0_0000n - start) * BigInt(buckets)) / length);
      if (this.spteGeneration >= 0 && at >= 0 && at < buckets) (this.isStale ? stale : fresh)[at] = 1;
      return { moment: this.moment, isPending: false, fresh, stale };
    },
    'spte.decode': (params) => fakeDecode(params),
    'walk.read': ({ vcpu, space, address, access, user = false }) => ({
      moment: this.moment,
      walk: {
        vcpu,
        space,
        address,
        access,
        user,
        guest: undefined,
        host: undefined,
        tlb: undefined,
        end: { kind: 'tlb-fill', code: undefined, gpa: undefined, text: 'it is reached', source: 'the script' },
        kvm: undefined,
      },
    }),
    'devices.peek': ({ port, count }) => ({
      moment: this.moment,
      bytes: Array.from({ length: count }, (_unused, i) => this.ports.get(port + i) ?? -1),
    }),
    'trace.enabled': () => ({ events: this.tracepoints }),
    'console.run': ({ line, vcpu }) => this.#consoleLine(line, vcpu),
    'console.complete': ({ line }) => ({
      from: 0,
      to: line.length,
      candidates: ['slots', 'sptes', 'step'].filter((name) => name.startsWith(line)),
      more: false,
    }),
    'trace.enable': ({ events }) => {
      this.tracepoints = events;
      return { events };
    },
    'trace.read': ({ since, limit }) => ({
      moment: this.moment,
      total: this.traced.length,
      missed: 0,
      lines: this.traced.slice(since, since + limit),
    }),
    'trace.export': ({ since, limit }) => {
      const piece = this.traced.slice(since, since + limit);
      return {
        next: since + piece.length,
        missed: 0,
        text: piece.map(({ event, text }) => ` qemu-1 [000] 0.0: ${event}: ${text}\n`).join(''),
      };
    },
    'vga.read': () => ({ moment: this.moment, columns: 4, rows: 2, cells: this.screen, cursor: 1 }),
    'mmio.log': ({ since, limit }) => ({
      moment: this.moment,
      total: this.faults.length,
      missed: 0,
      records: this.faults.slice(since, since + limit),
    }),
    'mmio.heat': () => ({
      moment: this.moment,
      overflow: 0,
      rows: this.faults.length === 0 ? [] : [{ gfn: MMIO_GFN, count: this.faults.length, invalid: 1, writes: 2 }],
    }),
    'mmio.timeline': () => ({ moment: this.moment, from: 0, to: this.insns, counts: [] }),
    'breakpoints.list': () => this.breakpoints,
    'breakpoints.add': ({ spec, ...wish }) => {
      const added = breakpointSnapshot({
        ...wish,
        id: this.breakpoints.length + 1,
        spec,
        text: breakpointText(spec),
      });
      this.breakpoints = [...this.breakpoints, added];
      return added;
    },
    'breakpoints.update': ({ id, vcpu, ...changes }) => {
      const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
      const only = vcpu === undefined ? {} : { vcpu: vcpu < 0 ? undefined : vcpu };
      this.breakpoints = this.breakpoints.map((one) => (one.id === id ? { ...one, ...given, ...only } : one));
      return this.breakpoints.find((one) => one.id === id) ?? refused(`there is no breakpoint ${id}.`);
    },
    'breakpoints.remove': ({ id }) => {
      this.breakpoints = this.breakpoints.filter((one) => one.id !== id);
      return this.breakpoints;
    },
    'breakpoints.replace': ({ breakpoints }) => {
      this.breakpoints = breakpoints.map(({ spec, ...wish }, i) =>
        breakpointSnapshot({ ...wish, id: i + 1, spec, text: breakpointText(spec) }),
      );
      return this.breakpoints;
    },
    'breakpoints.log': ({ since, limit }) => ({
      moment: this.moment,
      total: this.logLines.length,
      missed: 0,
      lines: this.logLines.slice(since, since + limit),
    }),
    'generation.read': () => ({
      moment: this.moment,
      mask: 0x7ffff,
      wrapAt: 0x7fffe,
      perInstall: 1,
      mmioSptesFresh: this.spteGeneration >= 0 && !this.isStale ? 1 : 0,
      mmioSptesStale: this.isStale ? 1 : 0,
      events: this.changes,
    }),
    'generation.set': ({ memslotsGeneration }) => {
      this.generation = memslotsGeneration;
      this.stop({ kind: 'paused' });
      return {
        moment: this.moment,
        mask: 0x7ffff,
        wrapAt: 0x7fffe,
        perInstall: 1,
        mmioSptesFresh: 0,
        mmioSptesStale: 1,
        events: this.changes,
      };
    },
    'stats.read': () => fakeStats(this.moment, this.faults.length),
    'stats.reset': () => fakeStats(this.moment, 0),
    'serial.read': () => ({ bytes: this.serial.slice(), end: this.serial.length }),
    'serial.write': ({ bytes }) => ({ accepted: bytes.length }),
  };
}
