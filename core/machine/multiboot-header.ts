/** The Multiboot 1 header in an image (Multiboot Specification 0.6.96, §3.1 "OS image format"). */
import { err, ok, type Result } from '../base/result.ts';
import { type ImageError, imageError } from './image-error.ts';

/** "Completely within the first 8192 bytes of the OS image", 32-bit aligned. */
const SEARCH_BYTES = 8192;
const MAGIC = 0x1bad_b002;

const FLAG_VIDEO = 1 << 2;
/** Bits 0–15 must be understood by the loader: module alignment, memory information and (as text) the video mode are. */
const KNOWN_REQUIREMENTS = 0x0007;
const FLAG_ADDRESSES = 1 << 16;

export interface MultibootAddresses {
  readonly headerAddress: number;
  readonly loadAddress: number;
  /** 0: to the end of the file. */
  readonly loadEnd: number;
  /** 0: no bss. */
  readonly bssEnd: number;
  readonly entry: number;
}

export interface MultibootHeader {
  /** In the file. */
  readonly offset: number;
  readonly flags: number;
  readonly addresses: MultibootAddresses | undefined;
}

/** @returns the header, undefined when there is none, an error when there is one that cannot be satisfied */
export function findMultibootHeader(image: Uint8Array): Result<MultibootHeader | undefined, ImageError> {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const end = Math.min(image.byteLength, SEARCH_BYTES);
  for (let offset = 0; offset + 12 <= end; offset += 4) {
    if (view.getUint32(offset, true) !== MAGIC) continue;
    const flags = view.getUint32(offset + 4, true);
    const checksum = view.getUint32(offset + 8, true);
    if ((MAGIC + flags + checksum) % 0x1_0000_0000 === 0) return readHeader(view, offset, flags, end);
  }
  return ok(undefined);
}

function readHeader(
  view: DataView,
  offset: number,
  flags: number,
  end: number,
): Result<MultibootHeader | undefined, ImageError> {
  const unknown = flags & 0xffff & ~KNOWN_REQUIREMENTS;
  if (unknown !== 0) {
    const message = `The Multiboot header requires features that are not known (flags 0x${unknown.toString(16)}).`;
    return err(imageError('unsupported', message));
  }
  const hasAddresses = (flags & FLAG_ADDRESSES) !== 0;
  const wantsVideo = (flags & FLAG_VIDEO) !== 0;
  const needed = wantsVideo ? 48 : hasAddresses ? 32 : 12;
  if (offset + needed > end) {
    return err(
      imageError('truncated', 'The Multiboot header is cut off by the end of the file or of the first 8 KiB.'),
    );
  }
  // mode_type 1 is EGA text, which is what this machine has; 0 asks for a linear frame buffer.
  if (wantsVideo && view.getUint32(offset + 32, true) !== 1) {
    return err(imageError('unsupported', 'The image asks for a graphics mode; this machine has VGA text only.'));
  }
  const field = (n: number): number => view.getUint32(offset + 12 + 4 * n, true);
  const addresses = hasAddresses
    ? { headerAddress: field(0), loadAddress: field(1), loadEnd: field(2), bssEnd: field(3), entry: field(4) }
    : undefined;
  return ok({ offset, flags, addresses });
}
