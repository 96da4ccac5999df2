/** A breakpoint's spec out of a snapshot, as requests take it: with arrays of its own and without undefined fields. */
import type { Params } from './requests.ts';
import type { BreakpointSpec } from './snapshots.ts';

export function sendableSpec(spec: BreakpointSpec): Params<'breakpoints.add'>['spec'] {
  switch (spec.kind) {
    case 'exec': {
      const { symbol, space, length, ...plain } = spec;
      return {
        ...plain,
        ...(symbol === undefined ? {} : { symbol }),
        ...(space === undefined ? {} : { space }),
        ...(length === undefined ? {} : { length }),
      };
    }
    case 'data': {
      const { symbol, ...plain } = spec;
      return symbol === undefined ? plain : { ...plain, symbol };
    }
    case 'spte':
    case 'zap': {
      const { level, ...plain } = spec;
      return level === undefined ? plain : { ...plain, level };
    }
    case 'mmio':
      return { ...spec, outcomes: [...spec.outcomes] };
    case 'exception':
      return { ...spec, vectors: [...spec.vectors] };
    case 'memslot': {
      const { slot, changes, kind } = spec;
      return { kind, changes: [...changes], ...(slot === undefined ? {} : { slot }) };
    }
    default:
      return spec;
  }
}
