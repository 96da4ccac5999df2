import { describe, expect, it } from 'vitest';
import { CODE, DATA, ExecGuest, GP, PF, STACK_TOP, UD } from './exec-guest.ts';

const PAGE = 4096;
const SS = 12;
/** Error code bits of a page fault: present, write. */
const WRITE = 2;

describe('memory operands in 64-bit code', () => {
  it('an addition over a page border whose second page is missing changes nothing and faults as a write', () => {
    const guest = new ExecGuest(64);
    guest.load([0x48, 0x83, 0x07, 0x05], { regs: { rdi: DATA + PAGE - 4 }, flags: 0x8d5 });
    guest.write(DATA + PAGE - 4, [1, 2, 3, 4]);
    guest.setPage((DATA >> 12) + 1, 0);
    guest.run();
    expect(guest.vector).toBe(PF);
    expect(guest.stack(0)).toBe(BigInt(WRITE));
    expect(guest.stack(1)).toBe(BigInt(CODE));
    expect(Number(guest.stack(3)) & 0x8d5).toBe(0x8d5);
    expect(guest.bytes(DATA + PAGE - 4, 4)).toEqual([1, 2, 3, 4]);
  });

  it('the same addition with both pages there carries across the border', () => {
    const guest = new ExecGuest(64);
    guest.load([0x48, 0x83, 0x07, 0x05], { regs: { rdi: DATA + PAGE - 4 } });
    guest.write(DATA + PAGE - 4, [0xff, 0xff, 0xff, 0xff, 7, 0, 0, 0]);
    guest.run();
    expect(guest.vector).toBe(-1);
    expect(guest.bytes(DATA + PAGE - 4, 8)).toEqual([4, 0, 0, 0, 8, 0, 0, 0]);
  });

  it('a compare-and-exchange of a read-only page faults even when it would not store', () => {
    const guest = new ExecGuest(64);
    guest.load([0x0f, 0xb1, 0x0f], { regs: { rdi: DATA, rax: 5 } });
    guest.setPage(DATA >> 12, DATA | 1);
    guest.run();
    expect(guest.vector).toBe(PF);
    expect(guest.stack(0)).toBe(3n);
    expect(guest.reg('rax')).toBe(5n);
  });

  it('REP MOVSB that meets a missing page stops at the element and is taken up there again', () => {
    const guest = new ExecGuest(64);
    const to = DATA + PAGE - 3;
    guest.load([0xf3, 0xa4], { regs: { rsi: DATA, rdi: to, rcx: 8 }, data: [1, 2, 3, 4, 5, 6, 7, 8] });
    guest.setPage((DATA >> 12) + 1, 0);
    guest.run();
    expect(guest.vector).toBe(PF);
    expect([guest.reg('rcx'), guest.reg('rsi'), guest.reg('rdi')]).toEqual([5n, BigInt(DATA + 3), BigInt(to + 3)]);
    expect(guest.stack(1)).toBe(BigInt(CODE));
    expect(guest.bytes(to, 3)).toEqual([1, 2, 3]);
    // The handler mends the mapping and returns: here by hand.
    const { rcx, rsi, rdi } = { rcx: guest.reg('rcx'), rsi: guest.reg('rsi'), rdi: guest.reg('rdi') };
    guest.setPage((DATA >> 12) + 1, (DATA + PAGE) | 3);
    const before = guest.bytes(DATA, PAGE);
    guest.load([0xf3, 0xa4], { regs: { rcx, rsi, rdi }, data: before });
    guest.run();
    expect(guest.vector).toBe(-1);
    expect(guest.reg('rcx')).toBe(0n);
    expect(guest.bytes(to, 8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('REPE CMPSB keeps the flags of the last comparison when the next element faults', () => {
    const guest = new ExecGuest(64);
    guest.load([0xf3, 0xa6], { regs: { rsi: DATA, rdi: DATA + PAGE - 2, rcx: 9 } });
    guest.setPage((DATA >> 12) + 1, 0);
    guest.run();
    expect(guest.vector).toBe(PF);
    expect(guest.reg('rcx')).toBe(7n);
    expect(Number(guest.stack(3)) & 0x41).toBe(0x40);
  });

  it('a long REP STOSB takes several turns and counts as one instruction for each', () => {
    const guest = new ExecGuest(64);
    guest.load([0xf3, 0xaa], { regs: { rdi: DATA, rcx: 10_000, rax: 0x33 } });
    const cpu = guest.vm.vcpus[0].cpu;
    const before = cpu.instructions();
    guest.run(1);
    expect(guest.reg('rcx')).toBe(2n * 4096n);
    expect(guest.rip).toBe(CODE);
    guest.run();
    expect(guest.reg('rcx')).toBe(0n);
    // Three turns and HLT.
    expect(cpu.instructions() - before).toBe(4);
  });

  it('ENTER whose new frame cannot be written leaves RSP and RBP', () => {
    const guest = new ExecGuest(64);
    guest.load([0xc8, 0, 0x08, 0], { regs: { rbp: 0x1234, rsp: DATA + PAGE + 0x200 } });
    guest.setPage(DATA >> 12, 0);
    guest.run();
    expect(guest.vector).toBe(PF);
    expect(guest.reg('rbp')).toBe(0x1234n);
    expect(guest.stack(4)).toBe(BigInt(DATA + PAGE + 0x200));
  });

  it.each([
    ['a load through RAX', [0x48, 0x8b, 0x00], GP],
    ['a load through RBP', [0x48, 0x8b, 0x45, 0x00], SS],
    ['a store through RSP and an index', [0x48, 0x89, 0x04, 0x2c], SS],
  ] as const)("%s of a non-canonical address raises the segment's own fault", (_what, code, vector) => {
    const guest = new ExecGuest(64);
    const bad = 0x8000_0000_0000n;
    guest.execute(code, { regs: { rax: bad, rbp: bad } });
    expect(guest.vector).toBe(vector);
    expect(guest.stack(0)).toBe(0n);
  });

  it('a jump to a non-canonical address faults at the jump', () => {
    const guest = new ExecGuest(64);
    guest.execute([0xff, 0xe0], { regs: { rax: 0x8000_0000_0000n } });
    expect(guest.vector).toBe(GP);
    expect(guest.stack(1)).toBe(BigInt(CODE));
  });

  it('RIP-relative addresses count from the next instruction', () => {
    const guest = new ExecGuest(64);
    const displacement = DATA - (CODE + 7);
    guest.execute([0x48, 0x8b, 0x05, displacement & 0xff, displacement >> 8, 0, 0], { data: [0xef, 0xbe] });
    expect(guest.reg('rax')).toBe(0xbeefn);
  });

  it('a bit offset in a register reaches memory on both sides of the operand', () => {
    const guest = new ExecGuest(64);
    // BTS [rdi], rax with −1 and with 64·3 + 5.
    guest.execute([0x48, 0x0f, 0xab, 0x07], { regs: { rdi: DATA + 16, rax: -1n } });
    expect(guest.bytes(DATA + 15, 1)).toEqual([0x80]);
    guest.execute([0x48, 0x0f, 0xab, 0x07], { regs: { rdi: DATA + 16, rax: 197 } });
    expect(guest.bytes(DATA + 16 + 24, 1)).toEqual([0x20]);
  });
});

describe('code that changes', () => {
  it('an instruction that overwrites the next one is followed by what it wrote', () => {
    const guest = new ExecGuest(32);
    // MOV BYTE [next], 42h turns INC EAX into INC EDX.
    const next = CODE + 7;
    guest.execute([0xc6, 0x05, next & 0xff, next >> 8, 0, 0, 0x42, 0x40], {});
    expect([guest.reg('rax'), guest.reg('rdx')]).toEqual([0n, 1n]);
  });

  it('a loop that patches its own body runs the patched body', () => {
    const guest = new ExecGuest(32);
    // loop: INC EAX / MOV BYTE [loop], 42h (INC EDX) / DEC ECX / JNZ loop
    guest.execute([0x40, 0xc6, 0x05, CODE & 0xff, CODE >> 8, 0, 0, 0x42, 0x49, 0x75, 0xf5], { regs: { rcx: 5 } });
    expect([guest.reg('rax'), guest.reg('rdx')]).toEqual([1n, 4n]);
  });

  it('an instruction across a page border follows its second page wherever that is mapped', () => {
    const guest = new ExecGuest(64);
    const border = DATA + PAGE;
    // MOV EAX, imm32 with the last three bytes in the next page; then HLT.
    guest.load([]);
    guest.write(border - 2, [0xb8, 0x11]);
    guest.write(border, [0x22, 0x33, 0x44, 0xf4]);
    guest.write(border + PAGE, [0x55, 0x66, 0x77, 0xf4]);
    const go = (): bigint => {
      guest.set('rax', 0);
      guest.r[32] = border - 2;
      guest.r[225] = 0;
      guest.run();
      return guest.reg('rax');
    };
    expect(go()).toBe(0x4433_2211n);
    guest.setPage(border >> 12, (border + PAGE) | 3);
    expect(go()).toBe(0x7766_5511n);
    guest.write(border + PAGE, [0x99]);
    expect(go()).toBe(0x7766_9911n);
  });

  it('an instruction that continues in a missing page faults at the address of that page', () => {
    const guest = new ExecGuest(64);
    const border = DATA + PAGE;
    guest.load([]);
    guest.write(border - 1, [0xb8]);
    guest.setPage(border >> 12, 0);
    guest.r[32] = border - 1;
    guest.run();
    expect(guest.vector).toBe(PF);
    expect(guest.r[106]).toBe(border);
    expect(guest.stack(1)).toBe(BigInt(border - 1));
  });
});

describe('LOCK', () => {
  it.each([
    ['ADD to memory', [0xf0, 0x01, 0x07], -1],
    ['XCHG with memory', [0xf0, 0x87, 0x07], -1],
    ['BTS on memory', [0xf0, 0x0f, 0xab, 0x07], -1],
    ['CMPXCHG8B', [0xf0, 0x0f, 0xc7, 0x0f], -1],
    ['ADD to a register', [0xf0, 0x01, 0xc0], UD],
    ['CMP', [0xf0, 0x39, 0x07], UD],
    ['ADD from memory', [0xf0, 0x03, 0x07], UD],
    ['BT on memory', [0xf0, 0x0f, 0xa3, 0x07], UD],
    ['MOV to memory', [0xf0, 0x89, 0x07], UD],
    ['NOP', [0xf0, 0x90], UD],
  ] as const)('before %s', (_what, code, vector) => {
    const guest = new ExecGuest(64);
    guest.execute(code, { regs: { rdi: DATA } });
    expect(guest.vector).toBe(vector);
    expect(guest.reg('rsp')).toBe(BigInt(vector === -1 ? STACK_TOP : STACK_TOP - 40));
  });
});
