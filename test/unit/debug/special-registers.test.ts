/**
 * Registers that choose the guest's mode, edited as KVM_SET_SREGS, KVM_SET_DEBUGREGS and KVM_SET_MSRS would: what each era
 * refuses, and that the MMU, the translations and the processor follow what it takes.
 */
import { describe, expect, it } from 'vitest';
import { ERAS, MMU_MODES, type Era, type MmuMode } from '../../../core/base/machine-modes.ts';
import { sessionWith, type TestSession } from './debug-guest.ts';

const write = (session: TestSession, name: string, value: bigint) =>
  session.ask('registers.write', { vcpu: 0, name, value });
/** `EINVAL: cr4: …`; without an errno where it is not KVM that refuses. */
function refusal(session: TestSession, name: string, value: bigint): string {
  const answer = session.engine.handle('registers.write', { vcpu: 0, name, value });
  if (answer.ok) throw new Error(`${name} was not refused`);
  const { errno, message } = answer.error;
  return errno === undefined ? message : `${errno}: ${message}`;
}
const register = (session: TestSession, name: string) => {
  const found = session.ask('registers.read', { vcpu: 0 }).registers.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no register ${name}`);
  return found;
};
const read = (session: TestSession, name: string): bigint => register(session, name).value;
const step = (session: TestSession, count = 1): void => void session.ask('run.step', { vcpu: 0, count });
const flags = (session: TestSession, name: string): readonly string[] => register(session, name).flags ?? [];

function poke(session: TestSession, address: bigint, bytes: readonly number[]): void {
  session.ask('memory.write', { space: 'gpa', vcpu: 0, address, bytes: Uint8Array.from(bytes) });
}
function peek(session: TestSession, address: bigint, length: number): Buffer {
  const [span] = session.ask('memory.read', { space: 'gpa', vcpu: 0, address, length }).spans;
  if (span.kind !== 'bytes') throw new Error('no memory there');
  return Buffer.from(span.bytes);
}
function copy(session: TestSession, from: bigint, to: bigint, change: (bytes: Buffer) => void): void {
  const bytes = peek(session, from, 4096);
  change(bytes);
  poke(session, to, [...bytes]);
}

const PG = 1n << 31n;
const WP = 1n << 16n;
const PAE = 1n << 5n;
const LME = 1n << 8n;
const LMA = 1n << 10n;
const CODE = 0x20_0000n;
/** The large page at this address is the one that another set of tables has elsewhere. */
const DATA = 0x40_0000n;
const ELSEWHERE = 0x60_0000n;

function guestIn(mode: string, era: Era = 'patch', mmu: MmuMode = 'ept'): TestSession {
  const session = sessionWith('poller', { append: `mode=${mode}`, era, mmu });
  session.run(100_000);
  return session;
}
const longMode = (era: Era = 'patch', mmu: MmuMode = 'ept'): TestSession => guestIn('long', era, mmu);

const findings = (session: TestSession): readonly unknown[] => session.ask('audit.run', {}).report.violations;

describe('KVM_SET_SREGS refuses', () => {
  const modern = longMode('v6.8');
  const old = longMode('v3.11');

  it.each([
    ['cr4', 0n, 'EINVAL: cr4: with EFER.LME and CR0.PG set, CR4.PAE must be set.'],
    ['cr4', 0x2000n | PAE, 'EINVAL: cr4: the guest’s processor has no CR4 bits 0x2000.'],
    ['cr3', 1n << 40n, 'EINVAL: cr3: CR3 0x10000000000 has bits above MAXPHYADDR (40).'],
    [
      'cr0',
      1n,
      'EINVAL: cr0: EFER.LMA is set, and the guest is not in 64-bit mode: EFER.LME and CR0.PG are not both set.',
    ],
    ['cr0', PG, 'EINVAL: cr0: CR0.PG needs CR0.PE.'],
    ['cr0', PG | 0x2000_0001n, 'EINVAL: cr0: CR0.NW needs CR0.CD.'],
    ['cr0', PG | 0x1_0000_0001n, 'EINVAL: cr0: bits 63 to 32 of CR0 are reserved.'],
    ['efer', LME, 'EINVAL: efer: with EFER.LME and CR0.PG set, EFER.LMA must be set.'],
    ['apic_base', 1n, 'EINVAL: apic_base: the bits 0x1 of IA32_APIC_BASE are reserved.'],
    ['dr6', 1n << 32n, 'EINVAL: dr6: bits 63 to 32 of DR6 are reserved.'],
  ])('in v6.8 %s = %s', (name, value, sentence) => {
    const before = modern.arenaBytes();
    expect(refusal(modern, name, value)).toBe(sentence);
    expect(modern.isAt(before), 'nothing has changed').toBe(true);
  });

  const entry = (name: string, why: string): string =>
    `${name}: KVM_SET_SREGS of v3.11 takes it, but VM entry fails (KVM_EXIT_FAIL_ENTRY): ${why}.`;
  it.each([
    ['cr4', 1n << 18n, 'EINVAL: cr4: CR4.OSXSAVE is set, and the guest’s CPUID has no XSAVE.'],
    ['cr4', 0n, entry('cr4', '64-bit mode (EFER.LMA) needs CR4.PAE')],
    ['cr4', 0x2000n | PAE, entry('cr4', 'the processor has no CR4 bits 0x2000')],
    ['cr3', 1n << 40n, entry('cr3', 'CR3 0x10000000000 has bits above MAXPHYADDR (40)')],
    ['efer', LME, entry('efer', 'with CR0.PG set, EFER.LMA must equal EFER.LME')],
    ['efer', 0x1000n | LME | LMA, entry('efer', 'the processor has no EFER bits 0x1000')],
    ['cr0', PG, entry('cr0', 'CR0.PG needs CR0.PE')],
    ['cr8', 0x10n, 'cr8: CR8 has four bits; KVM_SET_SREGS drops any other value without a word.'],
    ['pat', 2n, 'pat: KVM_SET_MSRS sets 0 of 1 MSRs: a byte of IA32_PAT is none of UC WC WT WP WB UC−.'],
    ['dr7', 1n, 'dr7: hardware breakpoints of the guest (DR7) are not built; use breakpoints of the debugger.'],
  ])('in v3.11, or the entry after it does: %s = %s', (name, value, sentence) => {
    const before = old.arenaBytes();
    expect(refusal(old, name, value)).toBe(sentence);
    expect(old.isAt(before), 'nothing has changed').toBe(true);
  });

  it('of AMD’s processor CR0.NW without CD, at entry', () => {
    expect(refusal(longMode('v3.11', 'npt'), 'cr0', PG | 0x2000_0001n)).toContain('VM entry fails');
  });

  it('while the guest runs', () => {
    const session = sessionWith('poller');
    session.ask('run.continue', {});
    expect(refusal(session, 'cr3', 0n)).toBe('pause the machine before you edit a register.');
  });
});

describe.each(ERAS.flatMap((era) => MMU_MODES.map((mmu) => [era, mmu] as const)))('%s, %s: CR3 edited', (era, mmu) => {
  it('in 64-bit mode: the guest reads through the other tables, and through its own again', () => {
    const session = longMode(era, mmu);
    const top = read(session, 'cr3');
    const pointers = peek(session, top, 8).readBigUInt64LE() & ~0xfffn;
    const directory = peek(session, pointers, 8).readBigUInt64LE() & ~0xfffn;
    copy(session, top, 0x50_0000n, (bytes) => bytes.writeBigUInt64LE(0x50_1007n));
    copy(session, pointers, 0x50_1000n, (bytes) => bytes.writeBigUInt64LE(0x50_2007n));
    copy(session, directory, 0x50_2000n, (bytes) => bytes.writeBigUInt64LE(ELSEWHERE | 0x83n, Number(DATA >> 21n) * 8));
    poke(session, DATA, [0x11]);
    poke(session, ELSEWHERE, [0x22]);
    // mov al, [0x400000], three times.
    for (const n of [0n, 7n, 14n]) poke(session, CODE + n, [0x8a, 0x04, 0x25, 0, 0, 0x40, 0]);
    write(session, 'rip', CODE);
    const al = (): bigint => {
      step(session);
      return read(session, 'rax') & 0xffn;
    };
    expect(al()).toBe(0x11n);
    write(session, 'cr3', 0x50_0000n);
    expect(al()).toBe(0x22n);
    expect(findings(session)).toEqual([]);
    write(session, 'cr3', top);
    expect(al()).toBe(0x11n);
    expect(findings(session)).toEqual([]);
  });

  it('under PAE paging: the PDPTEs are loaded with it, or stay when the table cannot be', () => {
    const session = guestIn('pae', era, mmu);
    const table = read(session, 'cr3');
    const directory = peek(session, table, 8).readBigUInt64LE() & ~0xfffn;
    copy(session, table, 0x50_0000n, (bytes) => bytes.writeBigUInt64LE(0x50_2001n));
    copy(session, directory, 0x50_2000n, (bytes) => bytes.writeBigUInt64LE(ELSEWHERE | 0x83n, Number(DATA >> 21n) * 8));
    poke(session, 0x50_4000n, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    poke(session, DATA, [0x11]);
    poke(session, ELSEWHERE, [0x22]);
    for (const n of [0n, 5n, 10n]) poke(session, CODE + n, [0xa0, 0, 0, 0x40, 0]);
    write(session, 'rip', CODE);
    const al = (): bigint => {
      step(session);
      return read(session, 'rax') & 0xffn;
    };
    expect(al()).toBe(0x11n);
    write(session, 'cr3', 0x50_0000n);
    expect(al()).toBe(0x22n);
    // load_pdptrs refuses the reserved bits, and KVM_SET_SREGS does not look at that.
    write(session, 'cr3', 0x50_4000n);
    expect(al()).toBe(0x22n);
    expect(findings(session)).toEqual([]);
  });
});

describe('the mode that an edit makes', () => {
  it('LMA follows CR0.PG as vmx_set_cr0 and svm_set_cr0 have it, and comes back with it', () => {
    for (const mmu of MMU_MODES) {
      const session = longMode('v3.11', mmu);
      const cr0 = read(session, 'cr0');
      write(session, 'cr0', cr0 & ~PG);
      expect(flags(session, 'efer')).not.toContain('LMA');
      expect(session.ask('machine.status', {}).vcpus[0].mode).not.toContain('64-bit');
      write(session, 'cr0', cr0);
      expect(flags(session, 'efer')).toContain('LMA');
      expect(session.ask('machine.status', {}).vcpus[0].mode).toBe('64-bit, 4-level paging');
      step(session, 1000);
      expect(findings(session)).toEqual([]);
    }
  });

  it.each(MMU_MODES)('%s: CR0.WP decides at once whether the kernel may write what is read-only', (mmu) => {
    for (const era of ERAS) {
      const session = longMode(era, mmu);
      const top = read(session, 'cr3');
      const pointers = peek(session, top, 8).readBigUInt64LE() & ~0xfffn;
      const directory = peek(session, pointers, 8).readBigUInt64LE() & ~0xfffn;
      poke(session, directory + (DATA >> 21n) * 8n, [0x81]);
      write(session, 'cr3', top);
      // mov [0x400000], al
      poke(session, CODE, [0x88, 0x04, 0x25, 0, 0, 0x40, 0]);
      const writes = (on: boolean): boolean => {
        const cr0 = read(session, 'cr0');
        write(session, 'cr0', on ? cr0 | WP : cr0 & ~WP);
        write(session, 'rip', CODE);
        step(session);
        return read(session, 'rip') === CODE + 7n;
      };
      session.ask('breakpoints.add', {
        spec: { kind: 'page-fault', start: DATA, length: 1n, access: 'any', cause: 'any', privilege: 'any' },
      });
      expect([writes(false), writes(true), writes(false)], era).toEqual([true, false, true]);
      expect(findings(session), era).toEqual([]);
    }
  });

  it.each(MMU_MODES)('%s: the MMU is reset by a change, and by writing the same value only under PAE paging', (mmu) => {
    const hasRoot = (session: TestSession): boolean => {
      const pages = session.ask('sptes.pages', {}).pages;
      return pages.some(({ rootCount }) => rootCount > 0);
    };
    const session = longMode('v3.17', mmu);
    write(session, 'cr4', read(session, 'cr4'));
    expect(hasRoot(session), 'the same value').toBe(true);
    write(session, 'cr4', read(session, 'cr4') ^ 0x80n);
    expect(hasRoot(session), 'PGE').toBe(false);
    step(session);
    expect(hasRoot(session), 'the next entry loads roots').toBe(true);
    const pae = guestIn('pae', 'v3.17', mmu);
    write(pae, 'cr4', read(pae, 'cr4'));
    expect(hasRoot(pae)).toBe(false);
    step(pae);
    expect(findings(pae)).toEqual([]);
  });

  it('MMIO sptes of two-dimensional tables outlive the reset: the next access finds them fresh', () => {
    const session = longMode('patch', 'ept');
    const before = session.ask('generation.read', {}).mmioSptesFresh;
    expect(before).toBeGreaterThan(0);
    write(session, 'cr4', read(session, 'cr4') ^ 0x80n);
    step(session);
    expect(session.ask('generation.read', {}).mmioSptesFresh).toBe(before);
  });
});

describe('a selector', () => {
  it('brings the hidden part of its descriptor', () => {
    const session = longMode();
    const ds = register(session, 'ds');
    // A data segment of base 0x310000, byte granular, at the end of the table.
    const base = read(session, 'gdtr_base');
    const limit = read(session, 'gdtr_limit');
    const selector = (limit + 1n) & ~7n;
    poke(session, base + selector, [0xff, 0xff, 0, 0, 0x31, 0x93, 0x40, 0]);
    write(session, 'gdtr_limit', selector + 7n);
    write(session, 'fs', selector);
    expect(register(session, 'fs')).toMatchObject({
      value: selector,
      hidden: { base: 0x31_0000n, limit: 0xffff, attributes: 0x4093 },
    });
    expect(read(session, 'fs_base')).toBe(0x31_0000n);
    write(session, 'fs', 0n);
    expect(register(session, 'fs').hidden).toEqual({ base: 0n, limit: 0, attributes: 0x1_0000 });
    // As undo writes it: with the hidden part that was there.
    session.ask('registers.write', { vcpu: 0, name: 'ds', value: ds.value, hidden: ds.hidden });
    expect(register(session, 'ds')).toEqual(ds);
    step(session, 1000);
  });

  it.each([
    ['cs', 0n, 'cs cannot hold the null selector 0x0.'],
    ['ds', 0xfff8n, 'ds: selector 0xfff8: it lies beyond the GDT, whose limit is'],
    ['ds', 0x14n, 'ds: the descriptor of selector 0x14 is not present.'],
    ['tr', 0x10n, 'is no TSS.'],
    ['cs', 0xbn, 'cs: the descriptor of selector 0xb has RPL 3, and the guest is at CPL 0.'],
  ])('%s = %s is refused, and nothing has changed', (name, value, sentence) => {
    const session = longMode();
    const before = session.arenaBytes();
    expect(refusal(session, name, value)).toContain(sentence);
    expect(session.isAt(before)).toBe(true);
  });

  it('that is of another privilege than the guest’s is refused: VM entry wants both at once', () => {
    const session = longMode();
    const base = read(session, 'gdtr_base');
    const selector = (read(session, 'gdtr_limit') + 1n) & ~7n;
    poke(session, base + selector, [0xff, 0xff, 0, 0, 0, 0xfb, 0xaf, 0]);
    write(session, 'gdtr_limit', selector + 7n);
    expect(refusal(session, 'cs', selector | 3n)).toContain('has DPL 3, and the guest is at CPL 0');
  });

  describe('with the other of CS and SS', () => {
    const cpl = (session: TestSession) => session.ask('machine.status', {}).vcpus[0].cpl;
    /** Code and data of privilege 3 at the end of the table. */
    function userSegments(session: TestSession): { readonly cs: bigint; readonly ss: bigint } {
      const base = read(session, 'gdtr_base');
      const selector = (read(session, 'gdtr_limit') + 1n) & ~7n;
      poke(session, base + selector, [0xff, 0xff, 0, 0, 0, 0xfb, 0xaf, 0, 0xff, 0xff, 0, 0, 0, 0xf3, 0xcf, 0]);
      write(session, 'gdtr_limit', selector + 15n);
      return { cs: selector | 3n, ss: (selector + 8n) | 3n };
    }

    it('changes the privilege, and back', () => {
      const session = longMode();
      const { cs, ss } = userSegments(session);
      const [oldCs, oldSs] = [register(session, 'cs'), register(session, 'ss')];
      session.ask('registers.write', { vcpu: 0, name: 'cs', value: cs, pair: { name: 'ss', value: ss } });
      expect([read(session, 'cs'), read(session, 'ss'), cpl(session)]).toEqual([cs, ss, 3]);
      const pair = { name: 'cs', value: oldCs.value, hidden: oldCs.hidden } as const;
      session.ask('registers.write', { vcpu: 0, name: 'ss', value: oldSs.value, hidden: oldSs.hidden, pair });
      expect([register(session, 'cs'), register(session, 'ss')]).toEqual([oldCs, oldSs]);
      expect(cpl(session)).toBe(0);
      step(session, 100);
    });

    it('is written at the console as well', () => {
      const session = longMode();
      const { cs, ss } = userSegments(session);
      const said = session.ask('console.run', { line: `set ss=${ss} cs=${cs}`, vcpu: 0 });
      expect(said.refusal).toBeUndefined();
      expect(said.lines).toHaveLength(2);
      expect(cpl(session)).toBe(3);
    });

    it.each([
      ['two of different privileges', 'present', 'VM entry wants SS and CS of one privilege'],
      ['one that is no stack', 'code', 'is no writable data segment'],
    ] as const)('%s are refused, and nothing has changed', (_title, which, sentence) => {
      const session = longMode();
      const { cs } = userSegments(session);
      const before = session.arenaBytes();
      const stack = which === 'code' ? cs : read(session, 'ss');
      const answer = session.engine.handle('registers.write', {
        vcpu: 0,
        name: 'cs',
        value: cs,
        pair: { name: 'ss', value: stack },
      });
      expect(answer.ok ? 'done' : answer.error.message).toContain(sentence);
      expect(session.isAt(before)).toBe(true);
    });

    it.each(['cs', 'ss'] as const)(
      'are set both or neither, %s named first: v6.8 refuses CS.L out of long mode',
      (first) => {
        const session = guestIn('32', 'v6.8');
        const [cs, ss] = [register(session, 'cs'), register(session, 'ss')];
        if (cs.hidden === undefined || ss.hidden === undefined) throw new Error('no hidden parts');
        const long = { name: 'cs', value: cs.value, hidden: { ...cs.hidden, attributes: 0xa09b } } as const;
        const stack = { name: 'ss', value: ss.value, hidden: { ...ss.hidden, limit: 0xfff } } as const;
        const [one, pair] = first === 'cs' ? [long, stack] : [stack, long];
        const before = session.arenaBytes();
        const answer = session.engine.handle('registers.write', { vcpu: 0, ...one, pair });
        expect(answer.ok ? 'done' : answer.error.message).toContain('CS.L is set, and the guest is not in 64-bit mode');
        expect(session.isAt(before)).toBe(true);
      },
    );

    it('the stack may be null in the 64-bit mode that CS brings, and not in the one that it ends', () => {
      const session = longMode();
      const code = register(session, 'cs').value;
      const base = read(session, 'gdtr_base');
      const selector = (read(session, 'gdtr_limit') + 1n) & ~7n;
      poke(session, base + selector, [0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0]);
      write(session, 'gdtr_limit', selector + 7n);
      const withNoStack = (cs: bigint) =>
        session.engine.handle('registers.write', { vcpu: 0, name: 'cs', value: cs, pair: { name: 'ss', value: 0n } });
      const refused = withNoStack(selector);
      expect(refused.ok ? 'done' : refused.error.message).toContain('ss cannot hold the null selector 0x0');
      write(session, 'cs', selector);
      expect(withNoStack(code).ok, 'from compatibility mode').toBe(true);
      expect([read(session, 'cs'), read(session, 'ss')]).toEqual([code, 0n]);
    });

    it('and no other two', () => {
      const session = longMode();
      const answer = session.engine.handle('registers.write', {
        vcpu: 0,
        name: 'ds',
        value: 0n,
        pair: { name: 'ss', value: 0n },
      });
      expect(answer.ok ? 'done' : answer.error.message).toContain('cs and ss are written together');
    });
  });
});

describe('MSRs and debug registers', () => {
  it('are read by the guest as they were written', () => {
    const session = longMode();
    write(session, 'pat', 0x0007_0406_0007_0406n);
    write(session, 'dr0', 0xffff_8000_0000_1234n);
    write(session, 'dr6', 0xfn);
    write(session, 'dr7', 0n);
    write(session, 'cr8', 5n);
    expect(read(session, 'dr6')).toBe(0xffff_0fffn);
    expect(read(session, 'dr7')).toBe(0x400n);
    // mov ecx, 0x277; rdmsr; mov rbx, dr0; mov rdx, cr8
    poke(session, CODE, [0xb9, 0x77, 0x02, 0, 0, 0x0f, 0x32, 0x0f, 0x21, 0xc3, 0x44, 0x0f, 0x20, 0xc6]);
    write(session, 'rip', CODE);
    step(session, 4);
    expect(read(session, 'rax')).toBe(0x0007_0406n);
    expect(read(session, 'rbx')).toBe(0xffff_8000_0000_1234n);
    expect(read(session, 'rsi')).toBe(5n);
  });

  it('the bit of the boot processor is always set where user space keeps the APIC, until KVM believes the value', () => {
    const old = longMode('v3.11');
    write(old, 'apic_base', 0xfee0_0800n);
    expect(read(old, 'apic_base')).toBe(0xfee0_0900n);
    const modern = longMode('v6.8');
    write(modern, 'apic_base', 0xfee0_0800n);
    expect(read(modern, 'apic_base')).toBe(0xfee0_0800n);
  });
});

describe('the console', () => {
  it('sets and clears flags by name, and says what is refused', () => {
    const session = longMode('v6.8');
    const say = (line: string) => session.ask('console.run', { line, vcpu: 0 });
    const told = (line: string): string => {
      const { lines, refusal } = say(line);
      return JSON.stringify({ lines, refusal });
    };
    expect(told('set cr4 +smep -pge')).toContain('SMEP');
    expect(flags(session, 'cr4')).toContain('SMEP');
    expect(flags(session, 'cr4')).not.toContain('PGE');
    expect(say('set cr4 -pae')).toMatchObject({
      lines: [],
      refusal: {
        errno: 'EINVAL',
        message: 'cr4: with EFER.LME and CR0.PG set, CR4.PAE must be set.',
      },
    });
    expect(told('set cr4 +nonsense')).toContain('cr4 has no flag called nonsense.');
    expect(told('set rax +pe')).toContain('rax has no flags with names');
    expect(told('set cr3=cr3')).toContain('cr3');
  });
});
