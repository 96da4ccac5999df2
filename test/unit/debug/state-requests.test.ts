import { describe, expect, test } from 'vitest';
import { CHUNK_HEADER_BYTES, STATE_HEADER_BYTES } from '../../../core/machine/state/state-format.ts';
import { MAX_STATE_PIECE } from '../../../core/protocol/requests.ts';
import { repackedState } from '../machine/repacked-state.ts';
import { sessionWith, TestSession } from './debug-guest.ts';
import { open, saved } from './saved-session.ts';

/** The sentence that a state is refused with. */
function openRefused(session: TestSession, bytes: Uint8Array): string {
  session.ask('state.openBegin', {});
  for (let at = 0; at < bytes.length; at += MAX_STATE_PIECE) {
    const answer = session.engine.handle('state.openNext', { bytes: bytes.slice(at, at + MAX_STATE_PIECE) });
    if (!answer.ok) return answer.error.message;
  }
  return session.refusal('state.openEnd', {});
}

const withMeta = (bytes: Buffer, edit: (meta: string) => string): Buffer =>
  repackedState(bytes, (kind, raw) => (kind === 'META' ? Buffer.from(edit(raw.toString())) : raw));

describe('a machine state', () => {
  test('brings back where the machine stood, its breakpoints with their hits, and what it had said', () => {
    const first = sessionWith('poller', { append: 'pause=50' });
    first.ask('breakpoints.add', { spec: { kind: 'exec', address: 0n, symbol: 'p32_guest_main' } });
    const gone = first.ask('breakpoints.add', { spec: { kind: 'exec', address: 0x1234n } });
    first.ask('breakpoints.remove', { id: gone.id });
    const mmio = { kind: 'mmio', start: 0xe000_0000n, length: 0x1000n, access: 'any', outcomes: [], freshness: 'any' };
    first.ask('breakpoints.add', { spec: mmio as never, stopAtHit: 20 });
    const stopped = first.run(1_000_000);
    expect(stopped.reason.kind).toBe('breakpoint');
    first.run(60_000);
    const bytes = saved(first);
    const before = first.ask('machine.status', {});

    const second = new TestSession();
    const { status, name } = open(second, bytes);
    expect(name).toBe('poller');
    // Breakpoints are numbered anew, and the stop names the new number.
    expect(before.reason).toMatchObject({ kind: 'mmio-breakpoint', id: 3 });
    expect({ ...status, moment: 0 }).toEqual({ ...before, moment: 0, reason: { ...before.reason, id: 2 } });
    expect(status.moment.insns).toBe(before.moment.insns);
    expect(second.serial()).toBe(first.serial());
    const told = (session: TestSession) => session.ask('breakpoints.list', {}).map(({ id: _id, ...rest }) => rest);
    expect(told(second)).toEqual(told(first));
    expect(second.ask('generation.read', {}).events).toEqual(first.ask('generation.read', {}).events);
    for (const session of [first, second]) session.run(120_000);
    expect(second.isAt(first.arenaBytes())).toBe(true);
  });

  test('passes the breakpoint that the saved machine stood at', () => {
    const first = sessionWith('poller', {});
    first.ask('breakpoints.add', { spec: { kind: 'exec', address: 0n, symbol: 'p32_guest_main' } });
    first.run(1_000_000);
    const second = new TestSession();
    const { status } = open(second, saved(first));
    expect(status.reason.kind).toBe('breakpoint');
    const after = second.run(status.moment.insns + 1000);
    expect(after.moment.insns).toBe(status.moment.insns + 1000);
  });

  test('is saved only of a machine that stands, and stays as it was meanwhile', () => {
    const session = sessionWith('poller', { append: 'pause=50' });
    session.ask('run.continue', {});
    expect(session.refusal('state.saveBegin', {})).toContain('pause the machine');
    session.ask('run.pause', {});
    session.ask('state.saveBegin', {});
    session.ask('run.step', { vcpu: 0 });
    expect(session.refusal('state.saveNext', {})).toContain('has changed');
    expect(session.refusal('state.saveNext', {})).toContain('no machine state is being saved');
  });

  test('keeps why a breakpoint stopped it, and does not meet the same port access again', () => {
    const source = sessionWith('hello');
    source.ask('breakpoints.add', { spec: { kind: 'port', start: 0x3f8, length: 1, access: 'out' } });
    const stop = source.run();
    expect(stop.reason).toMatchObject({ kind: 'event-breakpoint', event: { kind: 'port' } });
    const bytes = saved(source);
    const session = sessionWith('timer', { append: 'ticks=3' });
    open(session, bytes);
    expect(session.ask('machine.status', {}).reason).toEqual(stop.reason);
    expect(session.run().moment.insns).toBe(source.run().moment.insns);
  });

  describe('that is damaged or made up', () => {
    const source = sessionWith('poller', { append: 'pause=50' });
    source.run(50_000);
    const good = saved(source);
    const session = sessionWith('timer', { append: 'ticks=3' });
    session.run(20_000);
    const untouched = session.arenaBytes();

    const withField = (name: string, value: unknown): Buffer =>
      withMeta(good, (meta) => JSON.stringify({ ...JSON.parse(meta), [name]: value }));
    const withList = (name: string, length: number, one: object): Buffer =>
      withField(
        name,
        Array.from({ length }, () => one),
      );

    const cases: readonly (readonly [string, Buffer, RegExp])[] = [
      ['something else', Buffer.alloc(5000, 'x'), /begins otherwise/],
      ['another version', patched(good, 8, 3), /format 3; this version of Umbra reads formats 1 to 2/],
      ['a damaged header', patched(good, 40, 1), /header is damaged/],
      ['a damaged chunk', patched(good, good.length >> 1, good[good.length >> 1] ^ 1), /damaged|unpacked/],
      ['a missing end', good.subarray(0, -1), /cut short/],
      ['something behind the end', Buffer.concat([good, Buffer.of(0)]), /follows after its end/],
      ['no JSON', withMeta(good, (meta) => meta.slice(1)), /no JSON/],
      ['an unknown field', withMeta(good, (meta) => `{"x":1,${meta.slice(1)}`), /description is wrong at x/],
      ['another machine', withMeta(good, (meta) => meta.replace('"ept"', '"npt"')), /other options/],
      [
        'more memory',
        withMeta(good, (meta) => meta.replace(/"ramBytes":\d+/, '"ramBytes":1048576')),
        /another machine/,
      ],
      ['nine stops', withList('stops', 9, { vcpu: 0, kind: 'exec', insns: 1, ripLo: 0, ripHi: 0 }), /wrong at stops/],
      [
        'too many breakpoints',
        withList('breakpoints', 1001, { id: 1, hits: 0, breakpoint: { spec: { kind: 'generation-wrap' } } }),
        /wrong at breakpoints/,
      ],
      [
        'a breakpoint hit less than never',
        withList('breakpoints', 1, { id: 1, hits: -1, breakpoint: { spec: { kind: 'generation-wrap' } } }),
        /wrong at breakpoints\.0\.hits/,
      ],
      [
        'a history without end',
        withList('history', 4097, { insns: 1, kind: 'zap', slot: -1, before: 1, after: 1, text: '' }),
        /wrong at history/,
      ],
      ['a serial line without end', withField('serial', 's'.repeat(262_145)), /wrong at serial/],
      ['a state that runs', withField('state', 'running'), /wrong at state/],
      ['a reason of no kind', withField('reason', { kind: 'because' }), /wrong at reason/],
      [
        'a stop of a vCPU that cannot be',
        withList('stops', 1, { vcpu: 8, kind: 'exec', insns: 1, ripLo: 0, ripHi: 0 }),
        /wrong at stops\.0\.vcpu/,
      ],
      ['no image', withMeta(good, (meta) => meta.replace(/"ramBytes":\d+/, '"ramBytes":0')), /ramBytes/],
    ];
    /** Where each chunk begins: its header has the length of what is stored at byte 12. */
    function chunkPlaces(): readonly number[] {
      const places: number[] = [];
      for (let at = STATE_HEADER_BYTES; at < good.length; at += CHUNK_HEADER_BYTES + good.readUInt32LE(at + 12)) {
        places.push(at);
      }
      return places;
    }

    test('is refused wherever it is cut: before, inside and behind every header and section', () => {
      const places = chunkPlaces();
      expect(places.length).toBeGreaterThan(3);
      const cuts = [
        0,
        1,
        8,
        40,
        ...places.flatMap((at) => [at, at + 5, at + CHUNK_HEADER_BYTES, at + CHUNK_HEADER_BYTES + 1]),
      ];
      for (const cut of cuts.filter((at) => at < good.length)) {
        expect(openRefused(session, good.subarray(0, cut)), `cut at ${cut}`).toMatch(/cut short/);
        expect(session.isAt(untouched)).toBe(true);
      }
    });

    test.each(cases)('is refused: %s', (_what, bytes, sentence) => {
      expect(openRefused(session, bytes)).toMatch(sentence);
      expect(session.isAt(untouched)).toBe(true);
      expect(session.ask('machine.status', {}).image).toBe('timer');
    });
  });
});

function patched(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = value;
  return copy;
}
