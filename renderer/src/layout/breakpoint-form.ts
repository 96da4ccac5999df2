/** A breakpoint as it stands in its form, and what it parses to. */
import type { BreakpointSnapshot, BreakpointSpec, SymbolMatch } from '@core/protocol/index.ts';
import { formatAddress, formatHex, parseHex, parseSize } from '@core/format/address-text.ts';
import type { MmioOutcome } from '../api/contract-words.ts';

type MmioSpec = Extract<BreakpointSpec, { kind: 'mmio' }>;

export interface BreakpointForm {
  kind: BreakpointSpec['kind'];
  /** Address or symbol of an exec breakpoint. */
  place: string;
  start: string;
  length: string;
  access: MmioSpec['access'];
  outcomes: MmioOutcome[];
  freshness: MmioSpec['freshness'];
  once: boolean;
  stopAtHit: number;
}

export function formOf(breakpoint: BreakpointSnapshot | undefined, draft: MmioSpec | undefined): BreakpointForm {
  const spec = breakpoint?.spec ?? draft;
  const mmio = spec?.kind === 'mmio' ? spec : undefined;
  return {
    kind: spec?.kind ?? 'mmio',
    place: spec?.kind === 'exec' ? (spec.symbol ?? formatAddress(spec.address)) : '',
    start: mmio ? formatHex(mmio.start) : '',
    length: mmio ? formatHex(mmio.length) : '0x1000',
    access: mmio?.access ?? 'any',
    outcomes: [...(mmio?.outcomes ?? [])],
    freshness: mmio?.freshness ?? 'any',
    once: breakpoint?.once ?? false,
    stopAtHit: breakpoint?.stopAtHit ?? 1,
  };
}

export type ParsedBreakpoint =
  | { readonly ok: true; readonly spec: BreakpointSpec }
  | { readonly ok: false; readonly field: 'place' | 'start' | 'length'; readonly message: string };

/** @param symbols what a lookup of `place` has found */
export function parseBreakpoint(form: BreakpointForm, symbols: readonly SymbolMatch[]): ParsedBreakpoint {
  if (form.kind === 'exec') {
    const place = form.place.trim();
    const symbol = symbols.find(({ name }) => name === place);
    const address = symbol?.address ?? parseHex(place);
    if (address === undefined) {
      return {
        ok: false,
        field: 'place',
        message: `${place || 'that'} is neither an address nor a symbol of the image`,
      };
    }
    return { ok: true, spec: { kind: 'exec', address, symbol: symbol?.name } };
  }
  const start = parseHex(form.start);
  if (start === undefined) return { ok: false, field: 'start', message: 'a hexadecimal guest physical address' };
  const length = parseSize(form.length);
  if (length === undefined || length === 0n)
    return { ok: false, field: 'length', message: 'a size such as 4K or 0x1000' };
  const { access, outcomes, freshness } = form;
  return { ok: true, spec: { kind: 'mmio', start, length, access, outcomes: [...outcomes], freshness } };
}
