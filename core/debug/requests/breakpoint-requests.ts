/** breakpoints.*: kept by the session, so that they outlive a machine. */
import { ok } from '../../base/result.ts';
import type { ParsedParams } from '../../protocol/requests.ts';
import { MAX_BREAKPOINTS } from '../../protocol/requests.ts';
import type { BreakpointSpec } from '../../protocol/snapshots.ts';
import type { CompiledTexts } from '../breakpoints/breakpoint-table.ts';
import { compileTexts } from '../breakpoints/breakpoint-texts.ts';
import { badRequest, expressionRefused, refused, type Handled } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import type { Session } from '../session.ts';

type BreakpointNames =
  | 'breakpoints.list'
  | 'breakpoints.add'
  | 'breakpoints.update'
  | 'breakpoints.remove'
  | 'breakpoints.replace'
  | 'breakpoints.log';

const GPA_END = 1n << 52n;
const U64_END = 1n << 64n;

export const breakpointRequests: RequestFamily<BreakpointNames> = {
  'breakpoints.list': (session) => ok(session.breakpoints.list()),
  'breakpoints.add': (session, wish) => {
    if (session.breakpoints.size >= MAX_BREAKPOINTS) {
      return refused(`there are ${MAX_BREAKPOINTS} breakpoints already; remove one first.`);
    }
    const checked = checkWish(session, wish);
    if (!checked.ok) return checked;
    const { spec, texts } = checked.value;
    const added = session.breakpoints.add(spec, wish, texts);
    rearm(session);
    return ok(added);
  },
  'breakpoints.update': (session, { id, spec, ...changes }) => {
    const entry = session.breakpoints.entry(id);
    if (entry === undefined) return unknown(id);
    const { condition = entry.condition, log = entry.log } = changes;
    const checked = checkWish(session, { spec: spec ?? entry.spec, condition, log });
    if (!checked.ok) return checked;
    const { spec: resolved, texts } = checked.value;
    const updated = session.breakpoints.update(id, { ...changes, spec: spec && resolved }, texts);
    if (updated === undefined) return unknown(id);
    rearm(session);
    return ok(updated);
  },
  'breakpoints.remove': (session, { id }) => {
    if (!session.breakpoints.remove(id)) return unknown(id);
    rearm(session);
    return ok(session.breakpoints.list());
  },
  'breakpoints.replace': (session, { breakpoints }) => {
    const checked: { readonly spec: BreakpointSpec; readonly texts: CompiledTexts }[] = [];
    for (const [i, wish] of breakpoints.entries()) {
      const one = checkWish(session, wish);
      if (!one.ok) return { ok: false, error: { ...one.error, message: `breakpoint ${i + 1}: ${one.error.message}` } };
      checked.push(one.value);
    }
    session.breakpoints.clear();
    for (const [i, { spec, texts }] of checked.entries()) session.breakpoints.add(spec, breakpoints[i], texts);
    rearm(session);
    return ok(session.breakpoints.list());
  },
  'breakpoints.log': (session, { since, limit }) => {
    const { book } = session.breakpoints;
    return ok({ moment: session.moment(), total: book.total, ...book.read(since, limit) });
  },
};

type GivenSpec = ParsedParams<'breakpoints.add'>['spec'];

interface Wish {
  readonly spec: GivenSpec | BreakpointSpec;
  readonly condition: string;
  readonly log: string;
}

/** Nothing is set that could not work: a range out of its space, an unknown symbol, an expression that says nothing. */
function checkWish(session: Session, wish: Wish): Handled<{ spec: BreakpointSpec; texts: CompiledTexts }> {
  const spec = checkSpec(session, wish.spec);
  if (!spec.ok) return spec;
  const texts = compileTexts(session, spec.value, wish.condition, wish.log);
  return texts.ok ? ok({ spec: spec.value, texts: texts.value }) : expressionRefused(texts.error);
}

/** A symbol that is known decides the address; a range must lie where such addresses can. */
function checkSpec(session: Session, spec: GivenSpec | BreakpointSpec): Handled<BreakpointSpec> {
  switch (spec.kind) {
    case 'exec':
    case 'data': {
      if (spec.symbol === undefined) break;
      const found = session.symbols.find(spec.symbol);
      if (found === undefined) return badRequest(unknownSymbol(session, spec.symbol));
      if (spec.kind === 'exec') return ok({ ...spec, address: found.address, symbol: found.name });
      return ok({ ...spec, start: found.address, symbol: found.name });
    }
    default:
      break;
  }
  const range = rangeOf(spec);
  if (range === undefined || range.start + range.length <= range.end) return ok(spec);
  return badRequest(`the range ends at 0x${(range.start + range.length).toString(16)}; ${range.limit}`);
}

interface SpecRange {
  readonly start: bigint;
  readonly length: bigint;
  readonly end: bigint;
  readonly limit: string;
}

function rangeOf(spec: GivenSpec | BreakpointSpec): SpecRange | undefined {
  const gpa = { end: GPA_END, limit: 'a gpa has 52 bits.' };
  const gva = { end: U64_END, limit: 'a gva has 64 bits.' };
  switch (spec.kind) {
    case 'exec':
      return { start: spec.address, length: spec.length ?? 1n, ...(spec.space === 'gpa' ? gpa : gva) };
    case 'data':
      return { start: spec.start, length: spec.length, ...(spec.space === 'gpa' ? gpa : gva) };
    case 'page-fault':
      return { start: spec.start, length: spec.length, ...gva };
    case 'mmio':
    case 'spte':
    case 'gpte':
    case 'zap':
      return { start: spec.start, length: spec.length, ...gpa };
    case 'port':
      return {
        start: BigInt(spec.start),
        length: BigInt(spec.length),
        end: 0x1_0000n,
        limit: 'there are 65536 ports.',
      };
    default:
      return undefined;
  }
}

function unknownSymbol(session: Session, symbol: string): string {
  const image = session.debuggee?.source.name;
  return image === undefined
    ? `the symbol ${symbol} cannot be looked up before an image is loaded.`
    : `${image} has no symbol called ${symbol}.`;
}

const unknown = (id: number): Handled<never> => badRequest(`there is no breakpoint ${id}.`);

function rearm(session: Session): void {
  session.debuggee?.run.armBreakpoints();
  session.announceChange();
}
