/**
 * The machine of the race laboratory: a VM whose vCPUs execute single loads and stores on command, on one thread, with places
 * inside a fault where one of them can be held while the others and a memslot update go on. Guest code lies in slot 0;
 * everything else is a hole until a script maps it.
 */
import { createArena, type Arena } from '../../arena/arena.ts';
import { VCPU_EXIT_GPA, VCPU_F_INSNS, VCPU_RIP } from '../../arena/vcpu-layout.ts';
import { HVA_BASE } from '../../base/address.ts';
import { assert } from '../../base/assert.ts';
import type { Era, MmuMode } from '../../base/machine-modes.ts';
import { MMIO_OUTCOMES, type MmioOutcome } from '../../base/mmio-outcomes.ts';
import {
  MMIO_LOG_BYTES,
  MMIO_LOG_OUTCOME,
  MMIO_LOG_RECORDS,
  TRACE_RING_HEADER_BYTES,
} from '../../arena/trace-layout.ts';
import {
  memslotsOf,
  RUN_BUDGET,
  RUN_INTERNAL_ERROR,
  Vm,
  type KvmHooks,
  type RunCode,
  type UserMemoryRegion,
  type VmBus,
} from '../../kvm/index.ts';
import { enterImage } from '../../machine/boot-state.ts';
import { mmioFaultCount } from '../logs/mmio-records.ts';
import { buildRaceTables, enterRacePaging } from './race-paging.ts';
import {
  RACE_CODE_BYTES,
  RACE_RAM_BYTES,
  type HoldPoint,
  type RaceAccess,
  type RaceFlush,
  type RaceOutcome,
  type RacePaging,
  type RaceRegion,
} from './race-script.ts';

export interface RaceHost {
  readonly era: Era;
  readonly mmu: MmuMode;
  readonly maxPhyAddr: number;
}

/** What a script asks of the machine it is played on. */
export interface RaceGuest {
  readonly vcpus: number;
  readonly paging: RacePaging;
}

/** What came of an access or a run. */
export interface RaceResult {
  readonly outcome: RaceOutcome;
  /** Instructions that retired. */
  readonly insns: number;
  /** How each MMIO fault on the way ended. */
  readonly faults: readonly MmioOutcome[];
  /** Whether it came to the place where it was to be held. */
  readonly held: boolean;
  /** The first line of what KVM said, where it stopped. */
  readonly why: string;
}

const SHADOW_PAGES = 256;
/** Exits after which an instruction that does not retire is said to be going round in circles. */
const MAX_EXITS = 16;
/** What a device read gives. */
const DEVICE_VALUE = 0x0d_0d_0d_0d;
const RET_TO_START = 0xe9;
/** MOV EAX, CR3; MOV CR3, EAX. */
const CR3_AGAIN = [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8];

/** Somewhere for MMIO to go, which notes that it went there. */
class RaceBus implements VmBus {
  hi = 0;
  readonly device = 0;
  accesses = 0;
  exits = 0;

  mmioRead(): number {
    this.accesses += 1;
    this.hi = 0;
    return DEVICE_VALUE;
  }

  mmioWrite(): void {
    this.accesses += 1;
  }

  pioRead(): number {
    return 0;
  }

  pioWrite(): void {}

  interruptPending(): boolean {
    return false;
  }

  acknowledgeInterrupt(): number {
    return 0;
  }

  /** Asked after every exit: one that leads nowhere must not be taken for ever. */
  stopRequested(): boolean {
    this.exits += 1;
    return this.exits > MAX_EXITS;
  }
}

interface Hold {
  readonly vcpu: number;
  readonly point: HoldPoint;
  /** Everything that happens while the vCPU stands there. */
  readonly meanwhile: () => unknown;
  taken: boolean;
}

export class RaceBench {
  readonly arena: Arena;
  readonly vm: Vm;
  readonly log: string[] = [];
  private readonly bus = new RaceBus();
  private readonly hooks: KvmHooks;
  /** What the running vCPU is to be held at; undefined when nothing, or it has been already. */
  private hold: Hold | undefined;
  private readonly programs: number[];

  private readonly paging: RacePaging;

  constructor({ era, mmu, maxPhyAddr }: RaceHost, { vcpus, paging }: RaceGuest) {
    this.paging = paging;
    const config = {
      ramBytes: RACE_RAM_BYTES,
      vcpus,
      memslots: memslotsOf(era),
      shadowPages: SHADOW_PAGES,
      traceRecords: 64,
    };
    this.arena = createArena(config, (bytes) => new SharedArrayBuffer(bytes));
    this.hooks = {
      // Exits settled in place would pass by the places where a vCPU is held.
      mmioStopArmed: true,
      onMmioFault: ({ vcpuId }) => {
        this.reach('exit', vcpuId);
        return false;
      },
      onMemslotLookup: (vcpuId, gfn) => {
        if (gfn >= RACE_CODE_BYTES / 4096) this.reach('lookup', vcpuId);
      },
      onLog: (level, text) => void (level === 'info' || this.log.push(text)),
    };
    this.vm = new Vm(this.arena, { era, mmu, maxPhyAddr, vcpus }, this.bus, this.hooks);
    const code = this.vm.setUserMemoryRegion(regionOf({ slot: 0, gpa: 0, size: RACE_CODE_BYTES, ram: 0, flags: 0 }));
    assert(code.ok, 'the laboratory has no room for code');
    this.programs = this.vm.vcpus.map((vcpu) => codeOf(vcpu.id));
    buildRaceTables(this.arena, paging);
    for (const vcpu of this.vm.vcpus) {
      enterImage(vcpu, codeOf(vcpu.id), 0);
      enterRacePaging(vcpu, paging);
    }
  }

  /** One load or store of four bytes. */
  access(vcpu: number, access: RaceAccess, hold: Omit<Hold, 'vcpu' | 'taken'> | undefined): RaceResult {
    return this.execute(vcpu, this.encode(access), 1, hold);
  }

  /** The guest has its tables read anew. */
  flush(vcpu: number, flush: RaceFlush): RaceResult {
    if (flush.kind === 'flush') return this.execute(vcpu, CR3_AGAIN, 2, undefined);
    const code = this.paging === '4-level' ? [0x67, 0x0f, 0x01, 0x3c, 0x25] : [0x0f, 0x01, 0x3d];
    return this.execute(vcpu, [...code, ...dword(flush.gpa)], 1, undefined);
  }

  private execute(
    vcpu: number,
    code: readonly number[],
    insns: number,
    hold: Omit<Hold, 'vcpu' | 'taken'> | undefined,
  ): RaceResult {
    const at = codeOf(vcpu);
    this.place(at, code);
    this.vm.vcpus[vcpu].cpu.r[VCPU_RIP] = at;
    return this.go(vcpu, insns, hold);
  }

  /** MOV EAX, moffs32 and MOV m32, imm32 (SDM vol 2B, "MOV—Move"); 64-bit code has addresses of 32 bits by prefix. */
  private encode(access: RaceAccess): number[] {
    const isLong = this.paging === '4-level';
    const prefix = isLong ? [0x67] : [];
    if (access.kind === 'read') return [...prefix, 0xa1, ...dword(access.gpa)];
    const modrm = isLong ? [0x04, 0x25] : [0x05];
    return [...prefix, 0xc7, ...modrm, ...dword(access.gpa), ...dword(access.value)];
  }

  /** A program that does these over and over. */
  program(vcpu: number, accesses: readonly RaceAccess[]): void {
    const start = codeOf(vcpu) + 0x800;
    const bytes = accesses.flatMap((access) => this.encode(access));
    const back = -(bytes.length + 5);
    bytes.push(RET_TO_START, back & 0xff, (back >> 8) & 0xff, (back >> 16) & 0xff, (back >> 24) & 0xff);
    this.place(start, bytes);
    this.programs[vcpu] = start;
    this.resumeAt[vcpu] = start;
  }

  /** So many instructions of the program, from where it was. */
  run(vcpu: number, insns: number, hold: Omit<Hold, 'vcpu' | 'taken'> | undefined): RaceResult {
    const { r } = this.vm.vcpus[vcpu].cpu;
    r[VCPU_RIP] = this.resumeAt[vcpu] ?? this.programs[vcpu];
    const result = this.go(vcpu, insns, hold);
    this.resumeAt[vcpu] = r[VCPU_RIP];
    return result;
  }

  private readonly resumeAt: (number | undefined)[] = [];

  private go(vcpu: number, insns: number, hold: Omit<Hold, 'vcpu' | 'taken'> | undefined): RaceResult {
    const { bus, arena } = this;
    const { cpu } = this.vm.vcpus[vcpu];
    this.vm.vcpus[vcpu].registersChanged();
    const outer = { hold: this.hold, exits: bus.exits };
    let others = 0;
    const own = hold && { ...hold, vcpu, taken: false, meanwhile: () => (others += this.accessesOf(hold.meanwhile)) };
    this.hold = own;
    const before = cpu.f[VCPU_F_INSNS];
    const accesses = bus.accesses;
    const faults = mmioFaultCount(arena);
    let code: RunCode = RUN_BUDGET;
    let retired = 0;
    while (retired < insns && code === RUN_BUDGET) {
      bus.exits = 0;
      code = this.vm.vcpus[vcpu].run(1, true);
      retired = cpu.f[VCPU_F_INSNS] - before;
    }
    this.hold = outer.hold;
    bus.exits = outer.exits;
    const stopped = code === RUN_INTERNAL_ERROR;
    const served = bus.accesses - accesses - others;
    return {
      outcome: stopped ? 'stopped' : retired < insns ? 'again' : served > 0 ? 'mmio' : 'ram',
      insns: retired,
      faults: this.faultsOf(vcpu, faults),
      held: own?.taken === true,
      why: stopped ? this.vm.vcpus[vcpu].internalError.split('\n')[0] : '',
    };
  }

  private accessesOf(meanwhile: () => void): number {
    const before = this.bus.accesses;
    meanwhile();
    return this.bus.accesses - before;
  }

  private reach(point: HoldPoint, vcpu: number): void {
    const { hold } = this;
    if (hold === undefined || hold.taken || hold.vcpu !== vcpu || hold.point !== point) return;
    hold.taken = true;
    // What the others do meanwhile uses the same bus and hooks, but a fault's own registers are its vCPU's.
    const { r } = this.vm.vcpus[vcpu].cpu;
    const gpa = [r[VCPU_EXIT_GPA], r[VCPU_EXIT_GPA + 1]];
    const { exits } = this.bus;
    this.hold = undefined;
    hold.meanwhile();
    this.hold = hold;
    this.bus.exits = exits;
    assert(gpa[0] === r[VCPU_EXIT_GPA] && gpa[1] === r[VCPU_EXIT_GPA + 1], 'a held fault lost its address');
  }

  private faultsOf(vcpu: number, since: number): readonly MmioOutcome[] {
    const { arena } = this;
    const found: MmioOutcome[] = [];
    for (let seq = since; seq < mmioFaultCount(arena); seq++) {
      const at = arena.layout.mmioLog + TRACE_RING_HEADER_BYTES + (seq % MMIO_LOG_RECORDS) * MMIO_LOG_BYTES;
      const packed = arena.i32[(at + MMIO_LOG_OUTCOME) >> 2];
      if (packed >>> 24 === vcpu) found.push(MMIO_OUTCOMES[packed & 0xff]);
    }
    return found;
  }

  private place(gpa: number, bytes: readonly number[]): void {
    const at = this.arena.layout.ram + gpa;
    this.arena.u8.set(bytes, at);
    for (const { cpu } of this.vm.vcpus) cpu.noteExternalWrite(at, bytes.length);
  }
}

const codeOf = (vcpu: number): number => 0x1000 * (vcpu + 1);

export const regionOf = ({ slot, gpa, size, ram, flags }: RaceRegion): UserMemoryRegion => ({
  slot,
  flags,
  guestPhysAddr: BigInt(gpa),
  memorySize: BigInt(size),
  userspaceAddr: HVA_BASE + BigInt(ram),
});

const dword = (value: number): readonly number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
