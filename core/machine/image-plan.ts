/**
 * Turns the bytes of an image into what has to be put where, or into a reason why not. Nothing in an image is trusted;
 * nothing is written anywhere here.
 *
 * - ELF32 (EM_386) and ELF64 (EM_X86_64) executables with a Multiboot 1 header;
 * - anything with a Multiboot 1 header that gives its own addresses (flag 16);
 * - flat binaries: everything else is loaded at 1 MiB and entered there, in 32-bit protected mode like the others.
 */
import { err, ok, type Result } from '../base/result.ts';
import { isElf, planElf } from './elf-image.ts';
import { type ImageError, imageError } from './image-error.ts';
import { HIGH_RAM, isBackedRange } from './memory-map.ts';
import type { ImagePlan } from './planned-image.ts';
import { findMultibootHeader, type MultibootHeader } from './multiboot-header.ts';
import { Symbols } from './symbols.ts';

/** Where flat binaries go and start. */
export const FLAT_ENTRY = HIGH_RAM;
export const MAX_IMAGE_BYTES = 64 * 1024 * 1024;

export function planImage(bytes: Uint8Array, ramBytes: number): Result<ImagePlan, ImageError> {
  if (bytes.byteLength === 0) return err(imageError('truncated', 'The image is empty.'));
  if (bytes.byteLength > MAX_IMAGE_BYTES) {
    return err(imageError('unsupported', `The image has ${bytes.byteLength} bytes; at most 64 MiB can be loaded.`));
  }
  const header = findMultibootHeader(bytes);
  if (!header.ok) return header;
  const plan = planFormat(bytes, header.value);
  return plan.ok ? checkPlacement(plan.value, ramBytes) : plan;
}

function planFormat(bytes: Uint8Array, header: MultibootHeader | undefined): Result<ImagePlan, ImageError> {
  if (header?.addresses !== undefined) return planByAddresses(bytes, header);
  if (isElf(bytes)) return planElf(bytes, header);
  if (header !== undefined) {
    const message = 'The image has a Multiboot header but is no ELF, and the header gives no load addresses (flag 16).';
    return err(imageError('malformed', message));
  }
  const known = knownForeignFormat(bytes);
  if (known !== undefined) return err(imageError('unsupported', known));
  const segment = { gpa: FLAT_ENTRY, bytes, reserved: bytes.byteLength };
  return ok({ format: 'flat', entry: FLAT_ENTRY, segments: [segment], symbols: Symbols.none, header: undefined });
}

/** Flag 16: the header says what of the file goes where (Multiboot 0.6.96, §3.1.3 "The address fields"). */
function planByAddresses(bytes: Uint8Array, header: MultibootHeader): Result<ImagePlan, ImageError> {
  const { addresses, offset } = header;
  if (addresses === undefined) return err(imageError('malformed', 'The Multiboot header gives no addresses.'));
  const { headerAddress, loadAddress, loadEnd, bssEnd, entry } = addresses;
  const malformed = (message: string): Result<ImagePlan, ImageError> => err(imageError('malformed', message));
  if (headerAddress < loadAddress) return malformed('The Multiboot load_addr lies above header_addr.');
  const fileStart = offset - (headerAddress - loadAddress);
  if (fileStart < 0) return malformed('The Multiboot load_addr lies before the start of the file.');
  const loadBytes = loadEnd === 0 ? bytes.byteLength - fileStart : loadEnd - loadAddress;
  if (loadBytes <= 0) return malformed('The Multiboot load_end_addr lies at or below load_addr.');
  if (fileStart + loadBytes > bytes.byteLength) {
    return err(imageError('truncated', 'The file ends before the Multiboot load_end_addr.'));
  }
  const reserved = bssEnd === 0 ? loadBytes : bssEnd - loadAddress;
  if (reserved < loadBytes) return malformed('The Multiboot bss_end_addr lies below load_end_addr.');
  if (entry < loadAddress || entry >= loadAddress + reserved) {
    return malformed(`The entry point ${hex(entry)} lies outside what the image loads.`);
  }
  const segment = { gpa: loadAddress, bytes: bytes.subarray(fileStart, fileStart + loadBytes), reserved };
  return ok({ format: 'multiboot-flat', entry, segments: [segment], symbols: Symbols.none, header });
}

function checkPlacement(plan: ImagePlan, ramBytes: number): Result<ImagePlan, ImageError> {
  for (const { gpa, reserved } of plan.segments) {
    if (isBackedRange(ramBytes, gpa, reserved)) continue;
    const message =
      `The image wants ${hex(gpa)} … ${hex(gpa + reserved)}, where this machine has no RAM ` +
      `(it has 0 … 0xa0000 and 0x100000 … ${hex(ramBytes)}).`;
    return err(imageError('out-of-ram', message));
  }
  const sorted = plan.segments.toSorted((a, b) => a.gpa - b.gpa);
  for (const [i, { gpa }] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before === undefined || before.gpa + before.reserved <= gpa) continue;
    return err(imageError('malformed', `Two segments of the image overlap at ${hex(gpa)}.`));
  }
  return ok(plan);
}

/** Formats that would only run as garbage. */
function knownForeignFormat(bytes: Uint8Array): string | undefined {
  const at = (offset: number, ...values: readonly number[]): boolean => values.every((v, i) => bytes[offset + i] === v);
  if (at(0x202, 0x48, 0x64, 0x72, 0x53)) {
    return 'This is a Linux kernel (bzImage); its boot protocol is not implemented. Multiboot ELF and flat binaries are.';
  }
  if (at(0, 0x4d, 0x5a)) return 'This is a DOS or PE program. Multiboot ELF and flat binaries can be loaded.';
  if (at(0, 0x1f, 0x8b)) return 'This file is compressed with gzip; unpack it first.';
  if (at(0, 0xfd, 0x37, 0x7a, 0x58, 0x5a)) return 'This file is compressed with xz; unpack it first.';
  if (at(0, 0x28, 0xb5, 0x2f, 0xfd)) return 'This file is compressed with zstd; unpack it first.';
  return undefined;
}

const hex = (value: number): string => `0x${value.toString(16)}`;
