/** The numbers within the text of an event that can be followed, found by the words that KVM prints in front of them. */
import type { AddressSpace } from '../protocol/snapshots.ts';
import { parseHex } from './address-text.ts';

export type TraceNumber =
  | { readonly kind: AddressSpace | 'code' | 'spte'; readonly value: bigint }
  | { readonly kind: 'gfn' | 'generation'; readonly value: number }
  /** What an access carried. */
  | { readonly kind: 'value'; readonly value: bigint };

export interface TraceSegment {
  readonly text: string;
  readonly number: TraceNumber | undefined;
}

/** `gfn fee00`, `gpa 0xfeb00000`, `addr:fee00000`; and of kvm_emulate_insn the linear address `0:100034:`. */
const NUMBER = /\b([a-z][\w-]{1,12})([ :] ?)((?:0x)?[0-9a-f]{1,16})\b/g;
const EMULATED = /^([0-9a-f]{1,16}):([0-9a-f]{1,16})(?=:)/;
const MAX_GFN = 2n ** 40n;
const U64 = (1n << 64n) - 1n;

/** What a word stands in front of; `undefined` for a number that leads nowhere. */
function kindOf(event: string, word: string, addressSpace: 'gva' | 'gpa'): TraceNumber['kind'] | undefined {
  switch (word) {
    case 'gpa':
    case 'gva':
    case 'hva':
    case 'gfn':
    case 'spte':
      return word;
    case 'rip':
      return 'code';
    case 'address':
      return addressSpace;
    case 'addr':
      return 'gva';
    case 'old':
    case 'new':
      return event === 'fast_page_fault' ? 'spte' : undefined;
    case 'old_spte':
    case 'new_spte':
      return 'spte';
    case 'kvm_gen':
    case 'spte-gen':
      return 'generation';
    case 'gen':
      // That of a shadow page ("sp gen") is kvm->arch.mmu_valid_gen, another count.
      return event === 'mark_mmio_spte' ? 'generation' : undefined;
    case 'val':
      return event === 'kvm_mmio' || event === 'kvm_pio' ? 'value' : undefined;
    default:
      return undefined;
  }
}

function numberOf(kind: TraceNumber['kind'], value: bigint): TraceNumber | undefined {
  switch (kind) {
    case 'gfn':
      return value < MAX_GFN ? { kind, value: Number(value) } : undefined;
    case 'generation':
      return value <= 0xffff_ffffn ? { kind, value: Number(value) } : undefined;
    default:
      return { kind, value };
  }
}

/**
 * @param addressSpace what the address of a kvm_page_fault is: a gpa under EPT and NPT, a gva under the shadow MMU
 * @returns the text in segments, in order
 */
export function traceNumbers(event: string, text: string, addressSpace: 'gva' | 'gpa'): readonly TraceSegment[] {
  const segments: TraceSegment[] = [];
  let done = 0;
  const push = (end: number, number?: TraceNumber): void => {
    if (end > done) segments.push({ text: text.slice(done, end), number });
    done = Math.max(done, end);
  };
  if (event === 'kvm_emulate_insn') {
    const [whole, base, rip] = EMULATED.exec(text) ?? ['', '', ''];
    const [csBase, offset] = [parseHex(base), parseHex(rip)];
    if (csBase !== undefined && offset !== undefined)
      push(whole.length, { kind: 'code', value: (csBase + offset) & U64 });
  }
  for (const { index, 1: word, 2: between, 3: digits } of text.matchAll(NUMBER)) {
    const kind = kindOf(event, word, addressSpace);
    const value = parseHex(digits);
    const number = kind === undefined || value === undefined ? undefined : numberOf(kind, value);
    // handle_mmio_page_fault prints addr 0 under a direct MMU: there is no gva.
    if (number === undefined || (word === 'addr' && value === 0n)) continue;
    const at = index + word.length + between.length;
    if (at < done) continue;
    push(at);
    push(at + digits.length, number);
  }
  push(text.length);
  return segments;
}
