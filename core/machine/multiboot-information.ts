/** The boot information that EBX points to (Multiboot Specification 0.6.96, §3.3 "Boot information format"). */
import { err, ok, type Result } from '../base/result.ts';
import { type ImageError, imageError } from './image-error.ts';
import type { ImagePlan, PlannedSegment } from './planned-image.ts';
import { HIGH_RAM, LOW_RAM_END } from './memory-map.ts';

const INFORMATION_BYTES = 116;
const MMAP_ENTRY_BYTES = 24;
const LOADER_NAME = 'Umbra';
/** Below it are the real-mode vectors and the BIOS data area, which some systems look at. */
const FIRST_FREE = 0x1000;

const HAS_MEMORY = 1 << 0;
const HAS_COMMAND_LINE = 1 << 2;
const HAS_MMAP = 1 << 6;
const HAS_LOADER_NAME = 1 << 9;
const HAS_FRAME_BUFFER = 1 << 12;
const FRAME_BUFFER_TEXT = 2;

const AVAILABLE = 1;
const RESERVED = 2;

export interface BootInformation {
  readonly segment: PlannedSegment;
}

/**
 * The structure and everything it points to, for the first place in conventional memory that the image leaves free.
 * @param append the command line is the image's name and, after a space, this
 */
export function planBootInformation(
  plan: ImagePlan,
  ramBytes: number,
  name: string,
  append: string,
): Result<BootInformation, ImageError> {
  const fileName = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
  const commandLine = cString(append === '' ? fileName : `${fileName} ${append}`);
  const loaderName = cString(LOADER_NAME);
  const map = memoryMap(ramBytes);
  const mmapBytes = map.length * MMAP_ENTRY_BYTES;
  const bytes = align(INFORMATION_BYTES + mmapBytes + commandLine.byteLength + loaderName.byteLength);
  const gpa = findRoom(plan.segments, bytes);
  if (gpa === undefined) {
    const message = 'The image fills conventional memory: there is no room below 640 KiB for the boot information.';
    return err(imageError('out-of-ram', message));
  }
  const block = new Uint8Array(bytes);
  const view = new DataView(block.buffer);
  const put = (offset: number, value: number): void => view.setUint32(offset, value, true);
  const mmapAt = INFORMATION_BYTES;
  const commandLineAt = mmapAt + mmapBytes;
  const loaderNameAt = commandLineAt + commandLine.byteLength;
  put(0, HAS_MEMORY | HAS_COMMAND_LINE | HAS_MMAP | HAS_LOADER_NAME | HAS_FRAME_BUFFER);
  put(4, LOW_RAM_END >> 10);
  put(8, Math.max(0, ramBytes - HIGH_RAM) >> 10);
  put(16, gpa + commandLineAt);
  put(44, mmapBytes);
  put(48, gpa + mmapAt);
  put(64, gpa + loaderNameAt);
  put(88, 0xb_8000);
  put(96, 160);
  put(100, 80);
  put(104, 25);
  view.setUint8(108, 16);
  view.setUint8(109, FRAME_BUFFER_TEXT);
  for (const [i, { start, length, type }] of map.entries()) {
    const at = mmapAt + i * MMAP_ENTRY_BYTES;
    put(at, MMAP_ENTRY_BYTES - 4);
    put(at + 4, start);
    put(at + 12, length);
    put(at + 20, type);
  }
  block.set(commandLine, commandLineAt);
  block.set(loaderName, loaderNameAt);
  return ok({ segment: { gpa, bytes: block, reserved: bytes } });
}

interface MapEntry {
  readonly start: number;
  readonly length: number;
  readonly type: number;
}

function memoryMap(ramBytes: number): readonly MapEntry[] {
  const map = [
    { start: 0, length: LOW_RAM_END, type: AVAILABLE },
    { start: LOW_RAM_END, length: HIGH_RAM - LOW_RAM_END, type: RESERVED },
  ];
  if (ramBytes > HIGH_RAM) map.push({ start: HIGH_RAM, length: ramBytes - HIGH_RAM, type: AVAILABLE });
  return map;
}

/** The lowest page-aligned gap of conventional memory that is big enough. */
function findRoom(segments: readonly PlannedSegment[], bytes: number): number | undefined {
  let gpa = FIRST_FREE;
  for (const segment of segments.toSorted((a, b) => a.gpa - b.gpa)) {
    if (gpa + bytes <= segment.gpa) break;
    gpa = Math.max(gpa, align(segment.gpa + segment.reserved));
  }
  return gpa + bytes <= LOW_RAM_END ? gpa : undefined;
}

const align = (value: number): number => Math.ceil(value / 4096) * 4096;

/** Latin-1 with a zero at the end: what a guest's console can print. */
function cString(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length + 1);
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    bytes[i] = code === 0 || code > 0xff ? 0x3f : code;
  }
  return bytes;
}
