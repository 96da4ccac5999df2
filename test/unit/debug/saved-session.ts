/** Machine states of sessions, for tests: saved and opened as the contract has it, in pieces. */
import type { Reply } from '../../../core/protocol/requests.ts';
import { MAX_STATE_PIECE } from '../../../core/protocol/requests.ts';
import type { TestSession } from './debug-guest.ts';

/** The whole state of a session's machine. */
export function saved(session: TestSession): Buffer {
  const pieces: Uint8Array[] = [];
  session.ask('state.saveBegin', {});
  for (;;) {
    const { bytes } = session.ask('state.saveNext', {});
    if (bytes === undefined) return Buffer.concat(pieces);
    if (bytes.length > MAX_STATE_PIECE) throw new Error(`a piece has ${bytes.length} bytes`);
    pieces.push(bytes);
  }
}

/** Opens it in another one. @param threads as it was saved unless said */
export function open(session: TestSession, bytes: Uint8Array, threads?: boolean): Reply<'state.openEnd'> {
  session.ask('state.openBegin', threads === undefined ? {} : { threads });
  for (let at = 0; at < bytes.length; at += MAX_STATE_PIECE) {
    session.ask('state.openNext', { bytes: bytes.slice(at, at + MAX_STATE_PIECE) });
  }
  return session.ask('state.openEnd', {});
}
