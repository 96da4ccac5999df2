/** sptes.* and spte.decode: shadow pages as a list, as one table, as heat, and one entry field by field. */
import type { MmuMode } from '../../base/machine-modes.ts';
import { badRequest } from '../refusal.ts';
import { ok } from '../../base/result.ts';
import { decodeSpte } from '../../kvm/spte/spte-decode.ts';
import type { RequestFamily } from '../request-table.ts';
import { listShadowPages } from '../sptes/shadow-page-list.ts';
import { readSpteLog } from '../sptes/spte-log.ts';
import { spteRow } from '../sptes/spte-table.ts';
import type { Session } from '../session.ts';
import { presentMachine } from './present.ts';

export const spteRequests: RequestFamily<'sptes.pages' | 'sptes.rows' | 'sptes.heat' | 'spte.decode' | 'spte.readLog'> =
  {
    'sptes.pages': (session) =>
      ok({ moment: session.moment(), pages: listShadowPages(presentMachine(session).machine.arena) }),
    'sptes.rows': (session, { filter, offset, limit }) => {
      const { machine, sptes } = presentMachine(session);
      const now = (): number => session.platform.now();
      const { index, moment } = sptes.refresh(machine.arena, session.moment(), now);
      const order = sptes.order(filter, now);
      const rows = [...order.subarray(offset, offset + limit)].map((row) => spteRow(machine.arena, index, row));
      return ok({ moment, total: order.length, gfns: sptes.gfns, offset, rows });
    },
    'sptes.heat': (session, { start, length, buckets }) => {
      const { machine, sptes } = presentMachine(session);
      const { moment } = sptes.refresh(machine.arena, session.moment(), () => session.platform.now());
      return ok({ moment, ...sptes.heat(start, length, buckets) });
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

/** What is asked about a host like the machine's is asked about that host. */
function cacheBitsOf(session: Session, era: string, mmu: MmuMode, maxPhyAddr: number): number | undefined {
  const own = session.debuggee?.source.options;
  return own?.era === era && own.mmu === mmu && own.maxPhyAddr === maxPhyAddr ? own.l1tfCacheBits : undefined;
}
