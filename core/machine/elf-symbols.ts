/**
 * The symbol table of an ELF. Names are a convenience: where the tables are damaged the image still loads, with the names
 * that could be read.
 */
import { type ElfFile, wide } from './elf-file.ts';
import { type SymbolEntry, Symbols } from './symbols.ts';

const SHT_SYMTAB = 2;
const SHT_STRTAB = 3;
const STT_NOTYPE = 0;
const STT_OBJECT = 1;
const STT_FUNC = 2;
const SHN_UNDEF = 0;
const SHN_ABS = 0xfff1;
const MAX_SYMBOLS = 200_000;
const MAX_NAME = 1024;

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

export function readElfSymbols(bytes: Uint8Array, file: ElfFile): Symbols {
  const { count } = file.sectionHeaders;
  for (let i = 0; i < count; i += 1) {
    const section = readSection(bytes, file, i);
    if (section === undefined || section.type !== SHT_SYMTAB) continue;
    const names = readSection(bytes, file, section.link);
    if (names === undefined || names.type !== SHT_STRTAB) return Symbols.none;
    return new Symbols(readTable(bytes, file, section, names));
  }
  return Symbols.none;
}

/** A section header whose contents lie inside the file; undefined otherwise. */
function readSection(bytes: Uint8Array, file: ElfFile, index: number): Section | undefined {
  const { view, bits } = file;
  const { offset, size, count } = file.sectionHeaders;
  const at = offset + index * size;
  if (index >= count || size < (bits === 64 ? 64 : 40) || at + size > bytes.byteLength) return undefined;
  const section =
    bits === 64
      ? { offset: wide(view, at + 24), size: wide(view, at + 32), link: view.getUint32(at + 40, true) }
      : {
          offset: view.getUint32(at + 16, true),
          size: view.getUint32(at + 20, true),
          link: view.getUint32(at + 24, true),
        };
  if (section.offset + section.size > bytes.byteLength) return undefined;
  return { type: view.getUint32(at + 4, true), ...section };
}

function readTable(bytes: Uint8Array, file: ElfFile, table: Section, names: Section): readonly SymbolEntry[] {
  const { view, bits } = file;
  const entryBytes = bits === 64 ? 24 : 16;
  const count = Math.min(Math.floor(table.size / entryBytes), MAX_SYMBOLS);
  const entries: SymbolEntry[] = [];
  for (let i = 1; i < count; i += 1) {
    const at = table.offset + i * entryBytes;
    const kind = kindOf(view.getUint8(at + (bits === 64 ? 4 : 12)) & 15);
    const home = view.getUint16(at + (bits === 64 ? 6 : 14), true);
    if (kind === undefined || home === SHN_UNDEF || home === SHN_ABS) continue;
    const name = readName(bytes, names, view.getUint32(at, true));
    if (name === undefined) continue;
    entries.push(
      bits === 64
        ? { name, kind, address: view.getBigUint64(at + 8, true), size: wide(view, at + 16) }
        : { name, kind, address: BigInt(view.getUint32(at + 4, true)), size: view.getUint32(at + 8, true) },
    );
  }
  return entries;
}

function kindOf(type: number): SymbolEntry['kind'] | undefined {
  if (type === STT_FUNC) return 'function';
  if (type === STT_OBJECT) return 'object';
  return type === STT_NOTYPE ? 'label' : undefined;
}

function readName(bytes: Uint8Array, names: Section, index: number): string | undefined {
  const start = names.offset + index;
  const limit = Math.min(names.offset + names.size, start + MAX_NAME);
  let end = start;
  while (end < limit && bytes[end] !== 0) end += 1;
  return end > start && end < limit ? String.fromCharCode(...bytes.subarray(start, end)) : undefined;
}
