/** A machine state with other contents and every length and checksum right again: as somebody makes one who means harm. */
import { crc32 } from '../../../core/base/crc32.ts';
import { stateCodec } from '../../../electron/host/state-codec.ts';

const HEADER = 64;
const CHUNK_HEADER = 24;

/** @param edit called with each chunk's kind ('META', 'IMAG', 'PAGE') and bytes; may change them in place */
export function repackedState(bytes: Uint8Array, edit: (kind: string, raw: Buffer) => Buffer): Buffer {
  const source = Buffer.from(bytes);
  const pieces: Buffer[] = [source.subarray(0, HEADER)];
  const table: Buffer[] = [];
  let offset = HEADER;
  for (let at = HEADER; at < source.length;) {
    const kind = source.toString('latin1', at, at + 4);
    const storedLength = source.readUInt32LE(at + 12);
    const stored = source.subarray(at + CHUNK_HEADER, at + CHUNK_HEADER + storedLength);
    const deflated = source.readUInt32LE(at + 4) === 1;
    const raw = deflated ? stateCodec.inflate(stored, source.readUInt32LE(at + 8)) : stored;
    if (raw === undefined) throw new Error('the state to repack is damaged');
    const edited = kind === 'TABL' ? Buffer.concat(table) : edit(kind, Buffer.from(raw));
    const head = Buffer.alloc(CHUNK_HEADER);
    head.write(kind, 'latin1');
    head.writeUInt32LE(edited.length, 8);
    head.writeUInt32LE(edited.length, 12);
    head.writeUInt32LE(crc32(edited), 16);
    head.writeUInt32LE(crc32(head.subarray(0, 20)), 20);
    const entry = Buffer.alloc(24);
    entry.write(kind, 'latin1');
    for (const [to, from] of [
      [4, 8],
      [8, 12],
      [12, 16],
    ])
      entry.writeUInt32LE(head.readUInt32LE(from), to);
    entry.writeDoubleLE(offset, 16);
    table.push(entry);
    pieces.push(head, edited);
    offset += CHUNK_HEADER + edited.length;
    at += CHUNK_HEADER + storedLength;
  }
  return Buffer.concat(pieces);
}

/** Where in a PAGE chunk the bytes of an arena offset are, or −1. */
export function pageOffset(raw: Buffer, arenaOffset: number): number {
  const count = raw.readUInt32LE(0);
  for (let n = 0; n < count; n++) {
    if (raw.readUInt32LE(4 + 4 * n) === arenaOffset >>> 12) return 4 + 4 * count + n * 4096 + (arenaOffset & 0xfff);
  }
  return -1;
}
