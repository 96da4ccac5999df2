/** Whoever follows the events alone knows of every moment that there was. */
import { describe, expect, it } from 'vitest';
import type { Params, RequestName } from '../../../core/protocol/requests.ts';
import { sessionWith, type TestSession } from './debug-guest.ts';

const RAM_HVA = 0x7f00_0000_0000n;
const region = { slot: 7, flags: 1, guestPhysAddr: 0xc000_0000n, memorySize: 0x1000n, userspaceAddr: RAM_HVA };
const spec = { kind: 'exec', address: 0x10_0000n } as const;

interface Edit {
  readonly name: RequestName;
  readonly edit: (session: TestSession) => void;
}
const edit = <K extends RequestName>(name: K, params: Params<K>): Edit => ({
  name,
  edit: (session) => void session.ask(name, params),
});

describe('an edit of a standing machine', () => {
  it.each([
    edit('registers.write', { vcpu: 0, name: 'rax', value: 1n }),
    edit('memory.write', { space: 'gpa', vcpu: 0, address: 0x5000n, bytes: Uint8Array.of(1) }),
    edit('memslots.set', { region: { ...region, slot: 8, guestPhysAddr: 0xd000_0000n } }),
    edit('memslots.dirtyLog', { slot: 7 }),
    edit('generation.set', { memslotsGeneration: 1000n }),
    edit('stats.reset', {}),
    edit('breakpoints.add', { spec }),
    edit('breakpoints.update', { id: 1, enabled: false }),
    edit('breakpoints.remove', { id: 1 }),
    edit('run.step', { vcpu: 0 }),
    edit('machine.reset', {}),
  ])('by $name moves the epoch and says so with the status of that moment', ({ edit: carryOut }) => {
    const session = sessionWith('poller');
    session.ask('memslots.set', { region });
    session.ask('breakpoints.add', { spec });
    const before = session.ask('machine.status', {}).moment.epoch;
    session.events.length = 0;
    carryOut(session);
    const now = session.ask('machine.status', {});
    expect(now.moment.epoch).toBeGreaterThan(before);
    expect(session.events.filter(({ kind }) => kind === 'status')).toEqual([{ kind: 'status', status: now }]);
  });

  it('that is refused moves nothing and says nothing', () => {
    const session = sessionWith('poller', { era: 'v3.10' });
    const before = session.ask('machine.status', {});
    session.events.length = 0;
    session.refusal('generation.set', { memslotsGeneration: 5n });
    session.refusal('registers.write', { vcpu: 0, name: 'cr0', value: 1n << 31n });
    session.refusal('memslots.set', { region: { ...region, slot: 500 } });
    expect(session.events).toEqual([]);
    expect(session.ask('machine.status', {})).toEqual(before);
  });

  it('of the generation tells how many changes are left until it wraps', () => {
    const session = sessionWith('poller');
    session.ask('generation.set', { memslotsGeneration: 0x7fff0n });
    expect(session.events.findLast(({ kind }) => kind === 'status')).toMatchObject({
      status: { generationsToWrap: 14, moment: { mmioGeneration: 0x7fff0 } },
    });
  });
});
