/** Everything that one can go to, as far as a machine has it: what each is called and what going there does. */
import type {
  AddressSpace,
  BreakpointSnapshot,
  MemslotSnapshot,
  MmioFaultRecord,
  RegisterValue,
  SptePageSnapshot,
  SpteRow,
  SymbolMatch,
} from '@core/protocol/index.ts';
import { formatAddress, formatGfn, formatHex, formatU64, parseAddress } from '@core/format/address-text.ts';
import { formatCount, formatSize } from '@core/format/quantity.ts';
import type { PanelKind } from '../layout/panel-kinds.ts';
import type { Focus } from '../stores/focus-store.ts';
import { focusTitle } from './focus-title.ts';

export interface GoToTarget {
  readonly key: string;
  /** What it is, in a word: `symbol`, `slot`. */
  readonly sort: string;
  readonly title: string;
  readonly detail: string;
  /** The panel that shows it best. */
  readonly panel: PanelKind;
  /** Undefined where showing the panel is all. */
  readonly focus: Focus | undefined;
}

const target = (
  sort: string,
  title: string,
  detail: string,
  panel: PanelKind,
  focus: Focus | undefined,
): GoToTarget => ({ key: `${sort} ${title} ${detail}`, sort, title, detail, panel, focus });

const addressIn = (space: AddressSpace, address: bigint): Focus => ({ kind: 'address', space, address });

/** What a typed address can mean: `100000`, `gpa:feb00000`, `gfn:feb00`. */
export function typedTargets(text: string): readonly GoToTarget[] {
  const parsed = parseAddress(text, 'gva');
  if (parsed === undefined) return [];
  const { space, address } = parsed;
  const title = `${space}:${formatAddress(address)}`;
  const place = addressIn(space, address);
  const memory = target('address', title, 'in memory', 'memory', place);
  if (space === 'hva') return [memory];
  const walk = target('address', title, 'through both trees', 'walk', place);
  if (space === 'gva') {
    return [target('address', title, 'in disassembly', 'disassembly', { kind: 'code', address }), memory, walk];
  }
  const gfn = Number(address >> 12n);
  const ofPage = [
    target('address', title, `sptes of gfn ${formatGfn(gfn)}`, 'sptes', { kind: 'gfn', gfn }),
    target('address', title, 'on the map of the slots', 'memslots', place),
  ];
  return /^\s*gfn/i.test(text) ? [ofPage[0], memory, walk, ofPage[1]] : [memory, walk, ...ofPage];
}

export const symbolTarget = ({ name, address }: SymbolMatch): GoToTarget =>
  target('symbol', name, formatAddress(address), 'disassembly', { kind: 'code', address });

/** The instruction pointer points to code, every other one to memory. */
export const registerTarget = ({ name, value }: RegisterValue): GoToTarget =>
  name === 'rip'
    ? target('register', name, `the next instruction: ${formatAddress(value)}`, 'disassembly', {
        kind: 'code',
        address: value,
      })
    : target('register', name, `what it points to: ${formatAddress(value)}`, 'memory', addressIn('gva', value));

export const slotTarget = ({ id, gpa, size }: MemslotSnapshot): GoToTarget =>
  target('slot', `slot ${id}`, `gpa:${formatAddress(gpa)}, ${formatSize(size)}`, 'memslots', {
    kind: 'slot',
    slot: id,
    gpa,
    size,
  });

export const pageTarget = ({ index, level, gfn, roleText }: SptePageSnapshot): GoToTarget =>
  target('shadow page', `shadow page ${index}`, `level ${level}, gfn ${formatGfn(gfn)}, ${roleText}`, 'sptes', {
    kind: 'page',
    page: index,
  });

export const spteTarget = ({ page, entry, gfn, value, kind, stale }: SpteRow): GoToTarget =>
  target('spte', `spte ${formatU64(value)}`, `${stale ? 'stale ' : ''}${kind}, gfn ${formatGfn(gfn)}`, 'sptes', {
    kind: 'spte',
    page,
    entry,
    gfn,
  });

export function breakpointTarget({ id, text, spec }: BreakpointSnapshot): GoToTarget {
  const focus: Focus | undefined = spec.kind === 'exec' ? { kind: 'code', address: spec.address } : undefined;
  return target('breakpoint', `breakpoint ${id}`, text, focus ? 'disassembly' : 'breakpoints', focus);
}

export const faultTarget = ({ seq, insns, gpa, access, outcome }: MmioFaultRecord): GoToTarget =>
  target(
    'MMIO fault',
    `fault ${formatCount(seq)} ${outcome}`,
    `${access} gpa:${formatHex(gpa)} at ${formatCount(insns)}`,
    'mmio',
    addressIn('gpa', gpa),
  );

export const panelTarget = (kind: PanelKind, title: string): GoToTarget => target('panel', title, '', kind, undefined);

/** The panel that shows a focus best. */
const PANEL_OF_FOCUS: Readonly<Record<Focus['kind'], PanelKind>> = {
  address: 'memory',
  code: 'disassembly',
  slot: 'memslots',
  page: 'sptes',
  gfn: 'sptes',
  spte: 'sptes',
  moment: 'trace',
  port: 'devices',
};

export const recentTarget = (focus: Focus): GoToTarget =>
  target('recent', focusTitle(focus), 'looked at before', PANEL_OF_FOCUS[focus.kind], focus);
