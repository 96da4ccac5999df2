/** Traces that the user names, read in pieces and up to a bound: a file may be of any size, and a device has no end. */
import { open } from 'node:fs/promises';
import { FtraceReader } from '../../core/format/ftrace-reader.ts';
import type { TraceFileAnswer } from '../../core/protocol/trace-file.ts';

const PIECE = 64 * 1024;

/** @param problem the end of a sentence for what the file system says */
export async function readTraceFile(file: string, problem: (error: unknown) => string): Promise<TraceFileAnswer> {
  try {
    const handle = await open(file);
    try {
      if (!(await handle.stat()).isFile()) {
        return { ok: false, message: `${file} cannot be read: it is no file but a device, pipe or folder.` };
      }
      const reader = new FtraceReader();
      const buffer = new Uint8Array(PIECE);
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, PIECE);
        if (bytesRead === 0 || !reader.push(buffer.subarray(0, bytesRead))) break;
      }
      const read = reader.end();
      if (!read.ok) return { ok: false, message: `${file} cannot be read as a trace: ${read.error}.` };
      return { ok: true, value: { path: file, ...read.value } };
    } finally {
      await handle.close();
    }
  } catch (error) {
    return { ok: false, message: `${file} cannot be read: ${problem(error)}.` };
  }
}
