/** Executables in ELF32 and ELF64, as far as loading them takes (System V gABI, "Object Files", "Program Header"). */
import { err, ok, type Result } from '../base/result.ts';
import { type ElfFile, wide } from './elf-file.ts';
import { readElfSymbols } from './elf-symbols.ts';
import { type ImageError, imageError } from './image-error.ts';
import type { ImagePlan, PlannedSegment } from './planned-image.ts';
import type { MultibootHeader } from './multiboot-header.ts';

const ET_EXEC = 2;
const EM_386 = 3;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_INTERP = 3;
const ELFCLASS32 = 1;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
/** PN_XNUM escapes to a section header; no kernel has so many. */
const PN_XNUM = 0xffff;

export const isElf = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

export function planElf(bytes: Uint8Array, header: MultibootHeader | undefined): Result<ImagePlan, ImageError> {
  const file = readHeader(bytes);
  if (!file.ok) return file;
  if (header === undefined) {
    const message =
      'This ELF has no Multiboot 1 header in its first 8 KiB; link one in (magic 0x1badb002, flags, checksum).';
    return err(imageError('unsupported', message));
  }
  const segments = readSegments(bytes, file.value);
  if (!segments.ok) return segments;
  const entry = physicalEntry(file.value, segments.value);
  if (entry === undefined) {
    const message = `The entry point 0x${file.value.entry.toString(16)} lies in none of the segments that are loaded.`;
    return err(imageError('malformed', message));
  }
  return ok({
    format: file.value.bits === 64 ? 'multiboot-elf64' : 'multiboot-elf32',
    entry,
    segments: segments.value,
    symbols: readElfSymbols(bytes, file.value),
    header,
  });
}

function readHeader(bytes: Uint8Array): Result<ElfFile, ImageError> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const truncated = err(imageError('truncated', 'The file ends inside its ELF header.'));
  if (bytes.byteLength < 20) return truncated;
  const [elfClass, encoding] = [bytes[4], bytes[5]];
  if (elfClass !== ELFCLASS32 && elfClass !== ELFCLASS64) {
    return err(imageError('malformed', `ELF class ${elfClass} is neither 32 nor 64 bits.`));
  }
  if (encoding !== ELFDATA2LSB) return err(imageError('unsupported', 'This ELF is not little endian.'));
  const bits = elfClass === ELFCLASS64 ? 64 : 32;
  if (bytes.byteLength < (bits === 64 ? 64 : 52)) return truncated;
  const [type, machine] = [view.getUint16(16, true), view.getUint16(18, true)];
  if (machine !== (bits === 64 ? EM_X86_64 : EM_386)) {
    return err(imageError('unsupported', `ELF machine ${machine} with ${bits} bits is not an x86 this machine runs.`));
  }
  if (type !== ET_EXEC) {
    const message = `This ELF is no executable linked to fixed addresses (type ${type}); link it with -static and without -pie.`;
    return err(imageError('unsupported', message));
  }
  const at16 = (offset: number): number => view.getUint16(offset, true);
  return ok(
    bits === 64
      ? {
          view,
          bits,
          entry: view.getBigUint64(24, true),
          programHeaders: { offset: wide(view, 32), size: at16(54), count: at16(56) },
          sectionHeaders: { offset: wide(view, 40), size: at16(58), count: at16(60) },
        }
      : {
          view,
          bits,
          entry: BigInt(view.getUint32(24, true)),
          programHeaders: { offset: view.getUint32(28, true), size: at16(42), count: at16(44) },
          sectionHeaders: { offset: view.getUint32(32, true), size: at16(46), count: at16(48) },
        },
  );
}

interface ElfSegment extends PlannedSegment {
  readonly virtualAddress: bigint;
}

function readSegments(bytes: Uint8Array, file: ElfFile): Result<readonly ElfSegment[], ImageError> {
  const { view, bits } = file;
  const { offset, size, count } = file.programHeaders;
  if (count === 0) return err(imageError('malformed', 'This ELF has no program headers: nothing says what to load.'));
  if (count === PN_XNUM || size < (bits === 64 ? 56 : 32)) {
    return err(
      imageError('malformed', `The ELF program header table makes no sense (${count} entries of ${size} bytes).`),
    );
  }
  if (offset + count * size > bytes.byteLength) {
    return err(imageError('truncated', 'The file ends inside its ELF program header table.'));
  }
  const segments: ElfSegment[] = [];
  for (let i = 0; i < count; i += 1) {
    const at = offset + i * size;
    const type = view.getUint32(at, true);
    if (type === PT_INTERP)
      return err(imageError('unsupported', 'This ELF wants a dynamic linker; link it statically.'));
    if (type !== PT_LOAD) continue;
    const fields = bits === 64 ? loadFields64(view, at) : loadFields32(view, at);
    if (fields.memoryBytes === 0) continue;
    if (fields.fileBytes > fields.memoryBytes) {
      return err(imageError('malformed', `ELF segment ${i} has more bytes in the file than in memory.`));
    }
    if (fields.fileOffset + fields.fileBytes > bytes.byteLength) {
      return err(imageError('truncated', `The file ends inside ELF segment ${i}.`));
    }
    segments.push({
      gpa: fields.physicalAddress,
      virtualAddress: fields.virtualAddress,
      bytes: bytes.subarray(fields.fileOffset, fields.fileOffset + fields.fileBytes),
      reserved: fields.memoryBytes,
    });
  }
  return segments.length > 0 ? ok(segments) : err(imageError('malformed', 'This ELF has no segment to load.'));
}

interface LoadFields {
  readonly fileOffset: number;
  readonly virtualAddress: bigint;
  readonly physicalAddress: number;
  readonly fileBytes: number;
  readonly memoryBytes: number;
}

const loadFields32 = (view: DataView, at: number): LoadFields => ({
  fileOffset: view.getUint32(at + 4, true),
  virtualAddress: BigInt(view.getUint32(at + 8, true)),
  physicalAddress: view.getUint32(at + 12, true),
  fileBytes: view.getUint32(at + 16, true),
  memoryBytes: view.getUint32(at + 20, true),
});

const loadFields64 = (view: DataView, at: number): LoadFields => ({
  fileOffset: wide(view, at + 8),
  virtualAddress: view.getBigUint64(at + 16, true),
  physicalAddress: wide(view, at + 24),
  fileBytes: wide(view, at + 32),
  memoryBytes: wide(view, at + 40),
});

/**
 * The entry is entered without paging, so it has to be a physical address. A kernel linked to the higher half gives a
 * virtual one; the segment that holds it says where it is loaded.
 */
function physicalEntry(file: ElfFile, segments: readonly ElfSegment[]): number | undefined {
  const { entry } = file;
  for (const { virtualAddress, gpa, reserved } of segments) {
    const offset = Number(entry - virtualAddress);
    if (offset >= 0 && offset < reserved) return gpa + offset;
  }
  const physical = Number(entry);
  return segments.some((s) => physical >= s.gpa && physical - s.gpa < s.reserved) ? physical : undefined;
}
