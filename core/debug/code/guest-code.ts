/** Guest bytes as code: read once by probes, decoded by the decoder that the processor itself uses. */
import { Decoder, DecoderOptions, type Instruction } from 'iced-x86';
import type { MemorySpan } from '../../protocol/snapshots.ts';

/** An x86 instruction has 15 bytes at most (SDM vol 2A, "Instruction Format"). */
export const MAX_INSN_BYTES = 15;

export type CodeBits = 16 | 32 | 64;

/** Whose processor runs the code: they differ over near branches with an operand-size prefix in 64-bit mode. */
export type CodeVendor = 'Intel' | 'AMD';

/** A piece of code memory. Where it cannot be read it says why. */
export class GuestCode {
  readonly start: bigint;
  readonly bits: CodeBits;
  readonly #vendor: CodeVendor;
  readonly #spans: readonly MemorySpan[];
  readonly #bytes: Uint8Array;
  readonly #options: DecoderOptions;

  constructor(start: bigint, bits: CodeBits, spans: readonly MemorySpan[], vendor: CodeVendor = 'Intel') {
    this.start = start;
    this.bits = bits;
    this.#options = vendor === 'AMD' ? DecoderOptions.AMD : DecoderOptions.None;
    this.#vendor = vendor;
    this.#spans = spans;
    this.#bytes = new Uint8Array(spans.reduce((end, span) => Math.max(end, span.offset + span.length), 0));
    for (const span of spans) if (span.kind === 'bytes') this.#bytes.set(span.bytes, span.offset);
  }

  get end(): bigint {
    return this.start + BigInt(this.#bytes.length);
  }

  /** Whether it decodes to the same instructions and has the same gaps for the same reasons. */
  equals(other: GuestCode): boolean {
    return (
      this.start === other.start &&
      this.bits === other.bits &&
      this.#vendor === other.#vendor &&
      this.#spans.length === other.#spans.length &&
      this.#spans.every((span, i) => sameNature(span, other.#spans[i])) &&
      this.#bytes.every((byte, i) => byte === other.#bytes[i])
    );
  }

  /** Why the byte at an address is no code, and where that stretch ends; undefined when it can be read. */
  unreadableAt(address: bigint): { readonly reason: string; readonly end: bigint } | undefined {
    const offset = Number(address - this.start);
    const span = this.#spans.find((candidate) => offset < candidate.offset + candidate.length);
    if (span === undefined || span.kind === 'bytes') return undefined;
    const reason = span.kind === 'unreadable' ? span.reason : `MMIO${span.device ? ` of ${span.device}` : ''}`;
    return { reason, end: this.start + BigInt(span.offset + span.length) };
  }

  /** A view: those of one piece of code share their buffer, and are sent as one. */
  bytesAt(address: bigint, length: number): Uint8Array {
    const offset = Number(address - this.start);
    return this.#bytes.subarray(offset, offset + length);
  }

  /** The instruction at a readable address; the caller frees it. It is invalid when its bytes make none or are cut short. */
  decode(address: bigint): Instruction {
    const offset = Number(address - this.start);
    const span = this.#spans.find((candidate) => offset < candidate.offset + candidate.length);
    const readable = span === undefined ? 0 : span.offset + span.length - offset;
    const decoder = new Decoder(this.bits, this.bytesAt(address, Math.min(readable, MAX_INSN_BYTES)), this.#options);
    try {
      decoder.ip = address;
      return decoder.decode();
    } finally {
      decoder.free();
    }
  }
}

/** What bytes a span has is compared elsewhere. */
function sameNature(a: MemorySpan, b: MemorySpan): boolean {
  if (a.offset !== b.offset || a.length !== b.length) return false;
  if (a.kind === 'unreadable') return b.kind === 'unreadable' && a.reason === b.reason;
  return a.kind === 'mmio' ? b.kind === 'mmio' && a.device === b.device : b.kind === 'bytes';
}
