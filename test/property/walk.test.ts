/** A walk foretells what happens: the guest makes the access, and the exit, its code, its address and the MMIO outcome are those. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../core/base/address.ts';
import type { Era, MmuMode } from '../../core/base/machine-modes.ts';
import type { AddressWalk } from '../../core/protocol/index.ts';
import { sessionWith, type TestSession } from '../unit/debug/debug-guest.ts';

const MIB = 0x10_0000n;
const HOLE = 0xe000_0000n;
const LOG_DIRTY = 1;
const READONLY = 2;

/** What is done to the machine before the access. */
const EDITS = ['nothing', 'create', 'create read-only', 'delete', 'log', 'no log', 'dirty log', 'generation'] as const;
type Edit = (typeof EDITS)[number];

interface Step {
  readonly edit: Edit;
  readonly address: bigint;
  readonly access: 'read' | 'write';
}

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    edit: fc.constantFrom(...EDITS),
    address: fc.constantFrom(
      HOLE,
      HOLE,
      HOLE + 8n,
      0xfeb0_0000n,
      0xfeb0_0ff0n,
      0xb_8000n,
      0x8000n,
      0x30_0000n,
      0x30_0008n,
      0x48_0000n,
      0x7f_f000n,
      0xc0_0000n,
    ),
    access: fc.constantFrom('read', 'write'),
  }),
  { minLength: 10, maxLength: 20 },
);

/** A frame is written, protected by the reading of its dirty log, and written again: fast_page_fault. */
const LOGGED: readonly Step[] = [
  { edit: 'log', address: 0x48_0000n, access: 'write' },
  { edit: 'dirty log', address: 0x48_0000n, access: 'write' },
  { edit: 'nothing', address: 0x48_0000n, access: 'read' },
];
/** An MMIO spte is made, the generation moves on, and another gfn has the vCPU's cache. */
const MOVED_ON: readonly Step[] = [
  { edit: 'nothing', address: HOLE, access: 'read' },
  { edit: 'nothing', address: 0xfeb0_0000n, access: 'read' },
  { edit: 'generation', address: HOLE, access: 'write' },
  { edit: 'nothing', address: HOLE, access: 'write' },
];

/** Slot 1 is the guest's memory from 1 MiB; slot 5 lies in the hole while it is there. */
function apply(session: TestSession, edit: Edit, state: { slot5: boolean; logging: boolean }): void {
  const set = (slot: number, guestPhysAddr: bigint, memorySize: bigint, flags: number): void => {
    const userspaceAddr = slot === 5 ? HVA_BASE + 6n * MIB : HVA_BASE + guestPhysAddr;
    session.ask('memslots.set', { region: { slot, flags, guestPhysAddr, memorySize, userspaceAddr } });
  };
  switch (edit) {
    case 'nothing':
      return;
    case 'create':
    case 'create read-only':
      if (!state.slot5) set(5, HOLE, 0x1000n, edit === 'create' ? 0 : READONLY);
      state.slot5 = true;
      return;
    case 'delete':
      if (state.slot5) set(5, HOLE, 0n, 0);
      state.slot5 = false;
      return;
    case 'log':
    case 'no log':
      if (state.logging !== (edit === 'log')) set(1, MIB, 7n * MIB, edit === 'log' ? LOG_DIRTY : 0);
      state.logging = edit === 'log';
      return;
    case 'dirty log':
      if (state.logging) session.ask('memslots.dirtyLog', { slot: 1 });
      return;
    case 'generation': {
      const { memslotsGeneration } = session.ask('machine.status', {}).moment;
      session.engine.handle('generation.set', { memslotsGeneration: memslotsGeneration + 4n });
    }
  }
}

const NOP = 0x90;
const LOAD = [0x8a, 0x06]; // mov al, [esi]
const STORE = [0x88, 0x06]; // mov [esi], al

/** Lets the guest make the access with an instruction of its own; the page of the instruction is there by then. */
function access(
  session: TestSession,
  { address, access: kind }: Step,
): { walk: AddressWalk; events: string[]; alive: boolean } {
  // Always in the middle of the page that the guest was running in.
  const rip = (register(session, 'rip') & ~0xfffn) + 0x800n;
  session.ask('registers.write', { vcpu: 0, name: 'rip', value: rip });
  const bytes = Uint8Array.from([NOP, ...(kind === 'read' ? LOAD : STORE)]);
  session.ask('memory.write', { space: 'gva', vcpu: 0, address: rip, bytes });
  session.ask('registers.write', { vcpu: 0, name: 'rsi', value: address });
  session.ask('registers.write', { vcpu: 0, name: 'rflags', value: 2n });
  step(session);
  expect(register(session, 'rip'), 'the NOP').toBe(rip + 1n);

  const { walk } = session.ask('walk.read', { vcpu: 0, space: 'gva', address, access: kind });
  const since = session.ask('trace.read', { since: 0, limit: 1 }).total;
  const logged = session.ask('mmio.log', { since: 0, limit: 1 }).total;

  step(session);
  const { lines } = session.ask('trace.read', { since, limit: 1000, wording: '3.11' });
  const events = lines.map(({ event, text }) => `${event}: ${text}`);
  const exit = events.find((event) => event.startsWith('kvm_exit:'));
  const arrived = register(session, 'rip') === rip + 3n;
  const { end, kvm } = walk;
  const hex = (value: bigint | undefined): string => (value ?? 0n).toString(16);
  if (walk.tlb !== undefined) {
    expect(exit, 'a TLB hit').toBeUndefined();
    expect(arrived).toBe(true);
    return { walk, events, alive: true };
  }
  switch (end.kind) {
    case 'tlb-fill':
      expect(exit).toBeUndefined();
      expect(arrived).toBe(true);
      break;
    case 'guest-page-fault':
      expect(arrived).toBe(false);
      break;
    case 'ept-violation':
      expect(exit).toContain(`reason EPT_VIOLATION rip 0x${hex(rip + 1n)} info ${hex(end.code)} 0`);
      expect(events).toContain(`kvm_page_fault: address ${hex(end.gpa)} error_code ${hex(end.code)}`);
      break;
    case 'ept-misconfiguration':
      expect(exit).toContain('reason EPT_MISCONFIG');
      break;
    case 'nested-page-fault':
      expect(exit).toContain(`reason npf rip 0x${hex(rip + 1n)} info ${hex(end.code)} ${hex(end.gpa)}`);
      break;
    case 'shadow-page-fault':
      expect(exit).toContain(`reason EXCEPTION_NMI rip 0x${hex(rip + 1n)} info ${hex(address)} 80000b0e`);
      expect(events).toContain(`kvm_page_fault: address ${hex(address)} error_code ${hex(end.code)}`);
      break;
    default:
      throw new Error(`unexpected end: ${end.kind}`);
  }
  const record = session.ask('mmio.log', { since: logged, limit: 1 }).records.at(0);
  if (kvm?.mmio !== undefined) {
    // Answered by the vCPU's cache, KVM looks at no spte; the probe does.
    const { outcome, spteGen, kvmGen } = kvm.mmio;
    expect(record).toMatchObject({ outcome, kvmGen, spteGen: outcome === 'CACHED' ? -1 : spteGen });
  }
  if (kvm?.action === 'fast-page-fault') expect(events.join('\n')).toMatch(/fast_page_fault: .* fixed 1/);
  if (kvm?.action === 'map') expect(events.join('\n')).not.toMatch(/fast_page_fault: .* fixed 1/);
  const { state } = session.ask('machine.status', {});
  return { walk, events, alive: state === 'paused' && end.kind !== 'guest-page-fault' };
}

function step(session: TestSession): void {
  session.ask('run.step', { vcpu: 0 });
  session.settle();
}

const register = (session: TestSession, name: string): bigint =>
  session.ask('registers.read', { vcpu: 0 }).registers.find((each) => each.name === name)?.value ?? 0n;

describe.each<{ mmu: MmuMode; era: Era; mode: string }>([
  { mmu: 'ept', era: 'patch', mode: 'flat' },
  { mmu: 'ept', era: 'v3.11', mode: 'long' },
  { mmu: 'ept', era: 'v3.10', mode: 'long' },
  { mmu: 'npt', era: 'patch', mode: 'long' },
  { mmu: 'npt', era: 'v3.11', mode: 'flat' },
  { mmu: 'shadow', era: 'v3.11', mode: 'flat' },
  { mmu: 'shadow', era: 'patch', mode: 'long' },
  { mmu: 'ept', era: 'v3.17', mode: 'long' },
  { mmu: 'npt', era: 'v6.8', mode: 'long' },
  { mmu: 'ept', era: 'v6.8', mode: 'flat' },
])('the walk of an address under $mmu in era $era, guest in $mode mode', ({ mmu, era, mode }) => {
  it('foretells what the access comes to', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(steps, (script) => {
        const session = sessionWith('poller', { append: `mode=${mode} pause=10`, mmu, era });
        session.run(60_000);
        session.ask('trace.enable', { events: ['kvm:*', 'kvmmmu:*'] });
        const state = { slot5: false, logging: false };
        for (const each of script) {
          apply(session, each.edit, state);
          const { walk, alive } = access(session, each);
          seen.add(
            walk.tlb !== undefined
              ? 'tlb'
              : `${walk.end.kind} ${walk.kvm?.mmio?.outcome ?? walk.kvm?.action ?? ''}`.trim(),
          );
          if (!alive) return;
        }
      }),
      { numRuns: 5, seed: 3011, endOnFailure: true, examples: [[LOGGED], [MOVED_ON]] },
    );
    const exits = {
      ept: ['ept-violation', 'ept-misconfiguration'],
      npt: ['nested-page-fault'],
      shadow: ['shadow-page-fault'],
    }[mmu];
    const [first] = exits;
    const last = exits[exits.length - 1];
    const expected = [
      'tlb',
      'tlb-fill',
      `${first} FIRST`,
      `${first} map`,
      `${first} fast-page-fault`,
      `${last} CACHED`,
    ];
    expect([...seen]).toEqual(expect.arrayContaining(expected));
    if (era !== 'v3.10') expect(seen).toContain(`${last} INVALID`);
  });
});
