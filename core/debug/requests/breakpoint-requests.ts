/** breakpoints.*: kept by the session, so that they outlive a machine. */
import { ok } from '../../base/result.ts';
import type { BreakpointSpec } from '../../protocol/snapshots.ts';
import type { ParsedParams } from '../../protocol/requests.ts';
import { badRequest, type Handled } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import type { Session } from '../session.ts';

type BreakpointNames = 'breakpoints.list' | 'breakpoints.add' | 'breakpoints.update' | 'breakpoints.remove';

const GPA_END = 1n << 52n;

export const breakpointRequests: RequestFamily<BreakpointNames> = {
  'breakpoints.list': (session) => ok(session.breakpoints.list()),
  'breakpoints.add': (session, { spec, ...options }) => {
    const checked = checkSpec(session, spec);
    if (!checked.ok) return checked;
    const added = session.breakpoints.add(checked.value, options);
    rearm(session);
    return ok(added);
  },
  'breakpoints.update': (session, { id, spec, ...changes }) => {
    const checked = spec === undefined ? ok(undefined) : checkSpec(session, spec);
    if (!checked.ok) return checked;
    const updated = session.breakpoints.update(id, { ...changes, spec: checked.value });
    if (updated === undefined) return unknown(id);
    rearm(session);
    return ok(updated);
  },
  'breakpoints.remove': (session, { id }) => {
    if (!session.breakpoints.remove(id)) return unknown(id);
    rearm(session);
    return ok(session.breakpoints.list());
  },
};

type GivenSpec = ParsedParams<'breakpoints.add'>['spec'];

/** A symbol that is known decides the address; a range must lie where guest physical addresses can. */
function checkSpec(session: Session, spec: GivenSpec): Handled<BreakpointSpec> {
  if (spec.kind === 'mmio') {
    if (spec.start + spec.length > GPA_END) {
      return badRequest(`the range ends at 0x${(spec.start + spec.length).toString(16)}; a gpa has 52 bits.`);
    }
    return ok(spec);
  }
  if (spec.symbol === undefined) return ok({ kind: 'exec', address: spec.address, symbol: undefined });
  const found = session.symbols.find(spec.symbol);
  if (found !== undefined) return ok({ kind: 'exec', address: found.address, symbol: found.name });
  const image = session.debuggee?.source.name;
  return badRequest(
    image === undefined
      ? `the symbol ${spec.symbol} cannot be looked up before an image is loaded.`
      : `${image} has no symbol called ${spec.symbol}.`,
  );
}

const unknown = (id: number): Handled<never> => badRequest(`there is no breakpoint ${id}.`);

function rearm(session: Session): void {
  session.debuggee?.run.armBreakpoints();
  session.announceChange();
}
