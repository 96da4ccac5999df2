/** What a line of the console changes of the machine, made through here, so that the window can take it back. */
import type { ConsoleEdit, ConsoleEditStep } from '../../protocol/console.ts';
import type { Answer, Params } from '../../protocol/requests.ts';
import type { MemorySnapshot, MemslotSnapshot, UserMemoryRegion } from '../../protocol/snapshots.ts';
import type { Ask } from '../run/stop-report.ts';

export interface ConsoleEdits {
  /** In the order in which they were made. */
  readonly made: readonly ConsoleEdit[];
  register(wish: Params<'registers.write'>): Answer<'registers.write'>;
  memory(wish: Params<'memory.write'>): Answer<'memory.write'>;
  memslot(region: UserMemoryRegion): Answer<'memslots.set'>;
}

export function consoleEdits(ask: Ask): ConsoleEdits {
  const made: ConsoleEdit[] = [];
  const note = (undo: ConsoleEditStep | undefined, redo: ConsoleEditStep): void => {
    if (undo !== undefined) made.push({ undo, redo });
  };
  return {
    made,
    register(wish) {
      const undo = registerBefore(ask, wish);
      const answer = ask('registers.write', wish);
      if (answer.ok) note(undo, { what: 'register', ...wish });
      return answer;
    },
    memory(wish) {
      const { space, vcpu, address, bytes } = wish;
      const before = ask('memory.read', { space, vcpu, address, length: bytes.length });
      const answer = ask('memory.write', wish);
      const old = before.ok ? bytesOf(before.value, bytes.length) : undefined;
      if (answer.ok) note(old && { what: 'memory', ...wish, bytes: old }, { what: 'memory', ...wish });
      return answer;
    },
    memslot(region) {
      const before = ask('memslots.read', {});
      const answer = ask('memslots.set', { region });
      const old = before.ok ? before.value.slots.find(({ id }) => id === region.slot) : undefined;
      if (answer.ok && answer.value.change !== 'NONE')
        note({ what: 'memslot', region: old ? regionOf(old) : deletionOf(region.slot) }, { what: 'memslot', region });
      return answer;
    },
  };
}

function registerBefore(ask: Ask, { vcpu, name, pair }: Params<'registers.write'>): ConsoleEditStep | undefined {
  const read = ask('registers.read', { vcpu });
  if (!read.ok) return undefined;
  const { registers } = read.value;
  const old = registers.find((register) => register.name === name);
  const other = registers.find((register) => register.name === pair?.name);
  if (old === undefined) return undefined;
  return {
    what: 'register',
    vcpu,
    name,
    value: old.value,
    ...(old.hidden && { hidden: old.hidden }),
    ...(pair &&
      other && { pair: { name: pair.name, value: other.value, ...(other.hidden && { hidden: other.hidden }) } }),
  };
}

/** Undefined where not all of it is memory. */
function bytesOf({ spans }: MemorySnapshot, length: number): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(length);
  for (const span of spans) {
    if (span.kind !== 'bytes') return undefined;
    bytes.set(span.bytes, span.offset);
  }
  return bytes;
}

export const regionOf = ({ id, gpa, size, hva, logDirtyPages, readonly }: MemslotSnapshot): UserMemoryRegion => ({
  slot: id,
  flags: (logDirtyPages ? 1 : 0) | (readonly ? 2 : 0),
  guestPhysAddr: gpa,
  memorySize: size,
  userspaceAddr: hva,
});

export const deletionOf = (slot: number): UserMemoryRegion => ({
  slot,
  flags: 0,
  guestPhysAddr: 0n,
  memorySize: 0n,
  userspaceAddr: 0n,
});
