/**
 * x86_page_table_writing_insn (the PageTable flag in the tables of arch/x86/kvm/emulate.c, v3.11): instructions that kernels
 * change page tables with. A write by any other means that what was a page table is used for something else now.
 */

const LEGACY_PREFIXES: ReadonlySet<number> = new Set([
  0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0xf0, 0xf2, 0xf3,
]);
/** OR, AND, XCHG, MOV to memory; MOV to an absolute address. */
const ONE_BYTE: ReadonlySet<number> = new Set([0x08, 0x09, 0x20, 0x21, 0x86, 0x87, 0x88, 0x89, 0xa2, 0xa3]);
/** BTS, CMPXCHG, BTC with a register. */
const TWO_BYTES: ReadonlySet<number> = new Set([0xab, 0xb0, 0xb1, 0xbb]);

const registerField = (modrm: number): number => (modrm >> 3) & 7;

/**
 * @param at where the instruction begins, `end` where its page does: one that cannot be told before is taken for a writer
 * @param rex 64-bit code, where 0x40 … 0x4f are prefixes
 */
export function isPageTableWriter(bytes: Uint8Array, at: number, end: number, rex: boolean): boolean {
  let next = at;
  while (next < end && (LEGACY_PREFIXES.has(bytes[next]) || (rex && (bytes[next] & 0xf0) === 0x40))) next++;
  if (next + 2 >= end) return true;
  const opcode = bytes[next];
  const second = bytes[next + 1];
  switch (opcode) {
    case 0x80: // ALU with an immediate: OR and AND
    case 0x81:
    case 0x82:
    case 0x83:
      return registerField(second) === 1 || registerField(second) === 4;
    case 0xc6: // MOV with an immediate
    case 0xc7:
      return registerField(second) === 0;
    case 0x0f: {
      const field = registerField(bytes[next + 2]);
      // BTS and BTC with an immediate; CMPXCHG8B
      if (second === 0xba) return field === 5 || field === 7;
      if (second === 0xc7) return field === 1;
      return TWO_BYTES.has(second);
    }
    default:
      return ONE_BYTE.has(opcode);
  }
}
