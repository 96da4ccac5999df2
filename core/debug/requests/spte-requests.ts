/** sptes.* and spte.decode: shadow pages as a list, as one table, as heat, and one entry field by field. */
import type { MmuMode } from '../../base/machine-modes.ts';
import { badRequest } from '../refusal.ts';
import { ok } from '../../base/result.ts';
import { decodeSpte } from '../../kvm/spte/spte-decode.ts';
import type { RequestFamily } from '../request-table.ts';
import { listShadowPages } from '../sptes/shadow-page-list.ts';
import { readSpteLog } from '../sptes/spte-log.ts';
import { spteRow } from '../sptes/spte-table.ts';
import type { WorkClock } from '../sptes/work-steps.ts';
import type { Session } from '../session.ts';
import { presentMachine } from './present.ts';

export const spteRequests: RequestFamily<'sptes.pages' | 'sptes.rows' | 'sptes.heat' | 'spte.decode' | 'spte.readLog'> =
  {
    'sptes.pages': (session) =>
      ok({ moment: session.moment(), pages: listShadowPages(presentMachine(session).machine.arena) }),
    'sptes.rows': (session, { filter, offset, limit, inPieces }) => {
      const { machine, sptes } = presentMachine(session);
      const clock = clockFor(session, inPieces);
      const present = sptes.refresh(machine.arena, session.moment(), clock);
      const order = present && sptes.order(filter, clock);
      if (present === undefined || order === undefined) {
        return ok({ moment: session.moment(), isPending: true, total: 0, gfns: undefined, offset, rows: [] });
      }
      const { index, moment } = present;
      const rows = [...order.rows.subarray(offset, offset + limit)].map((row) => spteRow(machine.arena, index, row));
      return ok({ moment, isPending: false, total: order.rows.length, gfns: order.gfns, offset, rows });
    },
    'sptes.heat': (session, { start, length, buckets, inPieces }) => {
      const { machine, sptes } = presentMachine(session);
      const clock = clockFor(session, inPieces);
      const present = sptes.refresh(machine.arena, session.moment(), clock);
      const heat = present && sptes.heat(start, length, buckets, clock);
      if (present === undefined || heat === undefined) {
        return ok({ moment: session.moment(), isPending: true, fresh: NONE, stale: NONE });
      }
      return ok({ moment: present.moment, isPending: false, ...heat });
    },
    'spte.decode': (session, { value, era, mmu, maxPhyAddr }) => {
      const decoded = decodeSpte(value, era, mmu, maxPhyAddr, cacheBitsOf(session, era, mmu, maxPhyAddr));
      return decoded.ok ? decoded : badRequest(decoded.error);
    },
    'spte.readLog': (session, { text, era, mmu, maxPhyAddr }) => {
      const log = readSpteLog(text, {
        era,
        mmu,
        maxPhyAddr,
        l1tfCacheBits: cacheBitsOf(session, era, mmu, maxPhyAddr),
      });
      return log.ok ? log : badRequest(log.error);
    },
  };

const NONE = new Uint32Array(0);
/** Of a request in pieces: less than a frame of the window, and than the longest slice that a guest waits for anything. */
const PIECE_MS = 8;

function clockFor({ platform }: Session, inPieces: boolean): WorkClock {
  const now = (): number => platform.now();
  return { now, until: inPieces ? now() + PIECE_MS : Infinity };
}

/** What is asked about a host like the machine's is asked about that host. */
function cacheBitsOf(session: Session, era: string, mmu: MmuMode, maxPhyAddr: number): number | undefined {
  const own = session.debuggee?.source.options;
  return own?.era === era && own.mmu === mmu && own.maxPhyAddr === maxPhyAddr ? own.l1tfCacheBits : undefined;
}
