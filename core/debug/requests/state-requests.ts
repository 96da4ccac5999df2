/** state.*: a whole machine to bytes and back, in pieces that no message is too small for. */
import { ok } from '../../base/result.ts';
import { type StateCodec, StateWriter, type UntoldEvent } from '../../machine/index.ts';
import { BREAKPOINT_KIND_NAMES } from '../../protocol/breakpoint-kinds.ts';
import { MAX_STATE_PIECE } from '../../protocol/requests.ts';
import type { OpenedState, StatePiece, StopReason } from '../../protocol/snapshots.ts';
import { badRequest, notAllowed, refused, type Handled } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import type { Session } from '../session.ts';
import { latin1Bytes } from '../../base/latin1.ts';
import { encodeStateMeta } from '../state/state-meta.ts';
import { type RestoredMachine, StateOpening } from '../state/state-opening.ts';
import { breakpointRequests } from './breakpoint-requests.ts';
import { install, makeMachine } from './machine-requests.ts';
import { presentMachine } from './present.ts';

type StateNames =
  'state.saveBegin' | 'state.saveNext' | 'state.openBegin' | 'state.openNext' | 'state.openEnd' | 'state.cancel';

/** Enough for a message, little enough that nobody waits for it to be packed. */
const PIECE_BYTES = 256 * 1024;
const PIECE_PAGES = 1024;

const STORED: StateCodec = { deflate: (raw) => raw, inflate: () => undefined };

export const stateRequests: RequestFamily<StateNames> = {
  'state.saveBegin': (session) => {
    const debuggee = presentMachine(session);
    if (debuggee.run.running) return notAllowed('pause the machine before you save its state.');
    cancel(session);
    const parts = { meta: encodeStateMeta(session, debuggee), image: debuggee.source.image };
    const writer = new StateWriter(debuggee.machine.arena, parts, session.platform.codec ?? STORED);
    session.transfer = { kind: 'saving', writer, epoch: session.epoch, rest: new Uint8Array() };
    return ok({ pagesDone: 0, pages: writer.pages });
  },
  'state.saveNext': (session) => saveNext(session),
  'state.openBegin': (session, { threads }) => {
    cancel(session);
    const { codec = STORED } = session.platform;
    const opening = new StateOpening((options) => makeMachine(session, options), codec, threads);
    session.transfer = { kind: 'opening', opening };
    return ok(opening.progress);
  },
  'state.openNext': (session, { bytes }) => {
    const { transfer } = session;
    if (transfer?.kind !== 'opening') return badRequest('no machine state is being opened.');
    const pushed = transfer.opening.push(bytes);
    if (pushed.ok) return ok(transfer.opening.progress);
    cancel(session);
    return refused(sentence(pushed.error));
  },
  'state.openEnd': (session) => {
    const { transfer } = session;
    if (transfer?.kind !== 'opening') return badRequest('no machine state is being opened.');
    const restored = transfer.opening.finish();
    if (!restored.ok) {
      cancel(session);
      return refused(sentence(restored.error));
    }
    session.transfer = undefined;
    return ok(adopt(session, restored.value));
  },
  'state.cancel': (session) => {
    cancel(session);
    return ok(undefined);
  },
};

const sentence = (why: string): string => `the machine state cannot be opened: ${why}`;

function cancel(session: Session): void {
  if (session.transfer?.kind === 'opening') session.transfer.opening.close();
  session.transfer = undefined;
}

function saveNext(session: Session): Handled<StatePiece> {
  const { transfer } = session;
  if (transfer?.kind !== 'saving') return badRequest('no machine state is being saved.');
  const { writer, epoch } = transfer;
  if (session.epoch !== epoch || session.debuggee?.run.running === true) {
    cancel(session);
    return notAllowed('the machine has changed while its state was being saved; save it again.');
  }
  const pieces = [transfer.rest];
  let length = transfer.rest.length;
  const before = writer.pagesDone;
  while (length < PIECE_BYTES && writer.pagesDone - before < PIECE_PAGES) {
    const piece = writer.next();
    if (piece === undefined) break;
    pieces.push(piece);
    length += piece.length;
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  transfer.rest = all.slice(MAX_STATE_PIECE);
  if (length === 0) session.transfer = undefined;
  const bytes = length === 0 ? undefined : all.slice(0, MAX_STATE_PIECE);
  return ok({ bytes, pagesDone: writer.pagesDone, pages: writer.pages });
}

/** The restored machine becomes the session's, with its breakpoints and what was heard of it. */
function adopt(session: Session, { machine, hooks, meta, image }: RestoredMachine): OpenedState {
  const { image: name, options } = meta;
  install(session, machine, hooks, { image, name, options });
  const ids = setBreakpoints(session, meta.breakpoints);
  const { run, history } = presentMachine(session);
  history.restore(meta.history);
  session.serial.append(latin1Bytes(meta.serial));
  run.resume(meta.state, reasonOf(meta.reason, ids), meta.stops, meta.met);
  machine.restoreUntold(untoldOf(meta.untold, ids));
  session.announceChange();
  return { status: session.status(), image, name, options };
}

/** @returns the new number of each by the one that it was saved with */
function setBreakpoints(session: Session, saved: RestoredMachine['meta']['breakpoints']): ReadonlyMap<number, number> {
  const ids = new Map<number, number>();
  session.breakpoints.clear();
  for (const { id, hits, breakpoint } of saved) {
    const added = breakpointRequests['breakpoints.add'](session, breakpoint);
    if (added.ok) {
      ids.set(id, added.value.id);
      session.breakpoints.restoreHits(added.value.id, hits);
    } else {
      const text = `breakpoint ${id} of the saved machine cannot be set: ${added.error.message}`;
      session.platform.emit({ kind: 'log', level: 'warning', text });
    }
  }
  return ids;
}

/** What is for one breakpoint is for it by its new number; without it there is nobody to tell. */
function untoldOf(saved: RestoredMachine['meta']['untold'], ids: ReadonlyMap<number, number>): readonly UntoldEvent[] {
  return saved.flatMap(({ vcpu, kind, target, values }) => {
    const now = target === 0 ? 0 : ids.get(target);
    return now === undefined
      ? []
      : [{ vcpu, event: { kind: BREAKPOINT_KIND_NAMES.indexOf(kind), target: now, values } }];
  });
}

/** A stop at a breakpoint names it by its new number. */
function reasonOf(reason: RestoredMachine['meta']['reason'], ids: ReadonlyMap<number, number>): StopReason {
  if (reason.kind !== 'breakpoint' && reason.kind !== 'mmio-breakpoint' && reason.kind !== 'event-breakpoint') {
    return reason;
  }
  const id = ids.get(reason.id);
  return id === undefined ? { kind: 'paused' } : { ...reason, id };
}
