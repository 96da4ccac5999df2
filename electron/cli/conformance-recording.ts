/** The files that `conformance` replays: one JSON value a line. */
import { err, ok, type Result } from '../../core/base/result.ts';
import { readBoundedText, UnreadableFile } from './bounded-file.ts';

const MAX_BYTES = 256 * 1024 * 1024;

export interface RecordedLine {
  /** Counted from 1. */
  readonly number: number;
  readonly json: unknown;
}

/** The lines that are not blank. A file without one shows nothing, so it is refused. The error is a sentence. */
export function recordedLines(file: string): Result<readonly RecordedLine[], string> {
  let text: string;
  try {
    text = readBoundedText(file, MAX_BYTES, 'a recording');
  } catch (error) {
    if (error instanceof UnreadableFile) return err(error.message);
    throw error;
  }
  const lines: RecordedLine[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    try {
      lines.push({ number: index + 1, json: JSON.parse(line) });
    } catch {
      // The parser's own message would quote what may be any bytes.
      return err(`${file}:${index + 1} is not JSON.`);
    }
  }
  return lines.length === 0 ? err(`${file} holds no recording: there is nothing in it to replay.`) : ok(lines);
}
