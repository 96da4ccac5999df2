/** Makes images byte by byte, right or wrong on purpose. */
export const MULTIBOOT_MAGIC = 0x1bad_b002;

export interface SegmentBytes {
  readonly vaddr: number | bigint;
  readonly paddr: number;
  readonly bytes: readonly number[];
  readonly memoryBytes?: number;
  readonly type?: number;
}

export interface ElfParts {
  readonly bits: 32 | 64;
  readonly entry: number | bigint;
  readonly segments: readonly SegmentBytes[];
  readonly machine?: number;
  readonly type?: number;
  readonly multibootFlags?: number;
  readonly symbols?: readonly {
    readonly name: string;
    readonly value: number;
    readonly size: number;
    readonly type: number;
  }[];
}

export function multibootHeader(flags: number, ...addresses: readonly number[]): Uint8Array<ArrayBuffer> {
  const words = [MULTIBOOT_MAGIC, flags, -(MULTIBOOT_MAGIC + flags), ...addresses];
  return new Uint8Array(Uint32Array.from(words, (word) => word >>> 0).buffer);
}

/** A little-endian ELF with its Multiboot header right behind the program headers. */
export function elfBytes(parts: ElfParts): Uint8Array<ArrayBuffer> {
  const { bits, segments } = parts;
  const wide = bits === 64;
  const [headerBytes, programBytes, sectionBytes, symbolBytes] = wide ? [64, 56, 64, 24] : [52, 32, 40, 16];
  const multibootAt = headerBytes + programBytes * segments.length;
  let end = multibootAt + 48;
  const starts = segments.map((segment) => {
    const start = end;
    end += Math.ceil(segment.bytes.length / 16) * 16;
    return start;
  });
  const symbols = parts.symbols ?? [];
  const names = `\0${symbols.map((s) => `${s.name}\0`).join('')}`;
  const symbolsAt = end;
  const namesAt = symbolsAt + (symbols.length + 1) * symbolBytes;
  const sectionsAt = Math.ceil((namesAt + names.length) / 16) * 16;
  const bytes = new Uint8Array(sectionsAt + 3 * sectionBytes);
  const view = new DataView(bytes.buffer);
  const address = (at: number, value: number | bigint): void =>
    wide ? view.setBigUint64(at, BigInt(value), true) : view.setUint32(at, Number(value), true);

  bytes.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, 1, 1]);
  view.setUint16(16, parts.type ?? 2, true);
  view.setUint16(18, parts.machine ?? (wide ? 62 : 3), true);
  address(24, parts.entry);
  address(wide ? 32 : 28, headerBytes);
  address(wide ? 40 : 32, sectionsAt);
  const tail = wide ? 52 : 40;
  for (const [i, value] of [headerBytes, programBytes, segments.length, sectionBytes, 3, 0].entries()) {
    view.setUint16(tail + 2 * i, value, true);
  }
  for (const [i, segment] of segments.entries()) {
    const at = headerBytes + i * programBytes;
    const memory = segment.memoryBytes ?? segment.bytes.length;
    view.setUint32(at, segment.type ?? 1, true);
    const fields = [starts[i], segment.vaddr, segment.paddr, segment.bytes.length, memory];
    for (const [n, value] of fields.entries()) address(wide ? at + 8 + 8 * n : at + 4 + 4 * n, value);
    bytes.set(segment.bytes, starts[i]);
  }
  if (parts.multibootFlags !== undefined) bytes.set(multibootHeader(parts.multibootFlags), multibootAt);

  let nameAt = 1;
  for (const [i, symbol] of symbols.entries()) {
    const at = symbolsAt + (i + 1) * symbolBytes;
    view.setUint32(at, nameAt, true);
    view.setUint8(at + (wide ? 4 : 12), symbol.type);
    view.setUint16(at + (wide ? 6 : 14), 1, true);
    address(at + (wide ? 8 : 4), symbol.value);
    address(at + (wide ? 16 : 8), symbol.size);
    nameAt += symbol.name.length + 1;
  }
  bytes.set(new TextEncoder().encode(names), namesAt);
  const section = (index: number, type: number, offset: number, size: number, link: number): void => {
    const at = sectionsAt + index * sectionBytes;
    view.setUint32(at + 4, type, true);
    address(at + (wide ? 24 : 16), offset);
    address(at + (wide ? 32 : 20), size);
    view.setUint32(at + (wide ? 40 : 24), link, true);
  };
  section(1, 2, symbolsAt, (symbols.length + 1) * symbolBytes, 2);
  section(2, 3, namesAt, names.length, 0);
  return bytes;
}

/** A change of single bytes; what the image says elsewhere stays. */
export function patched(image: Uint8Array, at: number, ...values: readonly number[]): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(image);
  copy.set(values, at);
  return copy;
}
