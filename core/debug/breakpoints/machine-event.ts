/** Something that happened, as breakpoints see it: the values of the fields that core/protocol/breakpoint-kinds.ts names. */
import { BREAKPOINT_KINDS, EXCEPTION_NAMES } from '../../protocol/breakpoint-kinds.ts';
import type { BreakpointEvent, BreakpointKind } from '../../protocol/snapshots.ts';

export interface MachineEvent {
  readonly kind: BreakpointKind;
  /** The vCPU that did it, −1 when user space did. */
  readonly vcpu: number;
  /** In the order of the kind's fields; 64 bits, unsigned. */
  readonly values: readonly bigint[];
}

const indexOf = (kind: BreakpointKind, name: string): number =>
  BREAKPOINT_KINDS[kind].fields.findIndex((field) => field.name === name);

export const fieldOf = ({ kind, values }: MachineEvent, name: string): bigint => values[indexOf(kind, name)] ?? 0n;

export function describeEvent(event: MachineEvent): BreakpointEvent {
  const { kind, values } = event;
  const fields = BREAKPOINT_KINDS[kind].fields.map(({ name, words }, i) => ({
    name,
    value: values[i],
    word: words?.[Number(values[i])],
  }));
  return { kind, text: eventText(event), fields };
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** A sentence without its full stop. */
export function eventText(event: MachineEvent): string {
  const value = (name: string): bigint => fieldOf(event, name);
  const at = (name: string): string => hex(value(name));
  const word = (name: string): string => {
    const { words } = BREAKPOINT_KINDS[event.kind].fields[indexOf(event.kind, name)];
    return words?.[Number(value(name))] ?? at(name);
  };
  const oldAndNew = `${at('old')} → ${at('new')}`;
  switch (event.kind) {
    case 'exec':
      return `execution at ${at('address')}`;
    case 'data': {
      const what = `${value('size')} byte${value('size') === 1n ? '' : 's'} at gva ${at('gva')}`;
      const by = `by the instruction at rip ${at('rip')}`;
      return word('access') === 'write'
        ? `write of ${what}, ${oldAndNew}, ${by}`
        : `read of ${what}, ${at('new')}, ${by}`;
    }
    case 'mmio':
      return `MMIO ${word('access')} of gpa ${at('gpa')}, ${word('outcome')}`;
    case 'exception': {
      const name = EXCEPTION_NAMES[Number(value('vector'))] ?? at('vector');
      const code = value('errorCode') === 0n ? '' : `, error code ${at('errorCode')}`;
      return `${name}${code} at rip ${at('rip')}`;
    }
    case 'page-fault':
      return `page fault, ${word('access')} of gva ${at('gva')}, error code ${at('errorCode')}, at rip ${at('rip')}`;
    case 'port': {
      const form = value('string') === 0n ? '' : ' (string)';
      const what = word('access') === 'out' && form === '' ? `out of ${at('value')} to` : `${word('access')}${form}`;
      return `port ${what} ${at('port')}, ${value('size')} byte${value('size') === 1n ? '' : 's'}`;
    }
    case 'spte':
      return `spte of gfn ${at('gfn')}, level ${value('level')}, ${oldAndNew} by ${word('by')}`;
    case 'gpte':
      return `guest page-table entry at gpa ${at('gpa')}, ${oldAndNew} by ${word('by')} (rip ${at('rip')})`;
    case 'memslot':
      return `memslot ${value('slot')}: ${word('change')}, ${value('pages')} pages, generation ${value('generation')}`;
    case 'generation-wrap':
      return `the generation went round (memslots generation ${at('generation')})`;
    case 'zap':
      return `shadow page ${value('page')} zapped: gfn ${at('gfn')}, level ${value('level')}`;
  }
}
