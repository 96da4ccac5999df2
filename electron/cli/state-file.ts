/** Machine states of the command line: `--save-state` and `--state`. */
import { closeSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { MAX_STATE_PIECE } from '../../core/protocol/requests.ts';
import type { EngineSession } from './engine-session.ts';
import { CliFailure } from './exit-status.ts';

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** @param threads as the machine was saved unless said. @throws CliFailure */
export function openStateFile(engine: EngineSession, file: string, threads: boolean | undefined): void {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    throw new CliFailure(`${file} cannot be read: ${reason(error)}.`);
  }
  try {
    engine.ask('state.openBegin', threads === undefined ? {} : { threads });
    const buffer = new Uint8Array(MAX_STATE_PIECE);
    for (;;) {
      const length = readSync(fd, buffer, 0, buffer.length, null);
      if (length === 0) break;
      engine.ask('state.openNext', { bytes: buffer.slice(0, length) });
    }
    engine.ask('state.openEnd', {});
  } finally {
    closeSync(fd);
  }
}

/** Beside its place first, so that a state that could not be written whole takes nobody's place. @throws CliFailure */
export function saveStateFile(engine: EngineSession, file: string): void {
  const draft = `${file}.part`;
  try {
    const fd = openSync(draft, 'w', 0o600);
    try {
      engine.ask('state.saveBegin', {});
      for (let piece = engine.ask('state.saveNext', {}); piece.bytes !== undefined;) {
        for (let at = 0; at < piece.bytes.length;) at += writeSync(fd, piece.bytes, at);
        piece = engine.ask('state.saveNext', {});
      }
    } finally {
      closeSync(fd);
    }
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    if (error instanceof CliFailure) throw error;
    throw new CliFailure(`${file} cannot be written: ${reason(error)}.`);
  }
}
