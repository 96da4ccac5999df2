import { afterEach, describe, expect, it } from 'vitest';
import type { EngineEvent } from '../../../core/protocol/events.ts';
import type { MachineStatus } from '../../../core/protocol/snapshots.ts';
import { EngineHost } from '../../../electron/host/engine-host.ts';
import { guestImage } from '../debug/debug-guest.ts';

const fromSource = { workerUrl: new URL('./worker-from-source.mjs', import.meta.url) };
const options = { ramBytes: 8 * 1024 * 1024, append: 'n=4000000000' };
const hosts: EngineHost[] = [];

async function startHost(allowCrash = false): Promise<EngineHost> {
  const host = await EngineHost.start({ ...fromSource, allowCrash });
  hosts.push(host);
  return host;
}

async function load(host: EngineHost, guest: string): Promise<MachineStatus> {
  const append = guest === 'spin' ? options.append : '';
  const created = await host.request('machine.create', {
    image: guestImage(guest),
    name: guest,
    options: { ...options, append },
  });
  if (!created.ok) throw new Error(created.error.message);
  return created.value;
}

const nextEvent = <K extends EngineEvent['kind']>(
  host: EngineHost,
  kind: K,
  isMeant: (event: Extract<EngineEvent, { kind: K }>) => boolean = () => true,
): Promise<Extract<EngineEvent, { kind: K }>> =>
  new Promise((resolve) => {
    const stop = host.onEvent((event) => {
      if (event.kind !== kind) return;
      const meant = event as Extract<EngineEvent, { kind: K }>;
      if (!isMeant(meant)) return;
      stop();
      resolve(meant);
    });
  });

async function crash(host: EngineHost): Promise<void> {
  const crashed = nextEvent(host, 'crashed');
  host.crashForTest();
  await crashed;
}

afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close();
});

describe('the engine in its worker', () => {
  it('runs a guest to its end and tells of it', async () => {
    const host = await startHost();
    expect(await load(host, 'hello')).toMatchObject({ state: 'paused', reason: { kind: 'loaded' } });
    const ended = nextEvent(host, 'status', ({ status }) => status.state === 'exited');
    const said = nextEvent(host, 'serial');
    await host.request('run.continue', {});
    await ended;
    expect(new TextDecoder().decode((await said).bytes)).toContain('Hello');
  });

  it('answers while the guest runs, and pauses it', async () => {
    const host = await startHost();
    await load(host, 'spin');
    await host.request('run.continue', {});
    const live = await host.request('registers.read', { vcpu: 0 });
    expect(live.ok && live.value.moment.live).toBe(true);
    const paused = await host.request('run.pause', {});
    expect(paused).toMatchObject({ ok: true, value: { state: 'paused', reason: { kind: 'paused' } } });
  });

  it('refuses hostile parameters with a sentence and stays', async () => {
    const host = await startHost();
    const answer = await host.request('run.step', { vcpu: 99 });
    expect(answer).toMatchObject({ ok: false, error: { code: 'bad-request' } });
    expect(await host.request('machine.status', {})).toMatchObject({ ok: true, value: { state: 'empty' } });
  });
});

describe('a worker that dies', () => {
  it('leaves the host, which says what the arena still tells and starts another with the next machine', async () => {
    const host = await startHost(true);
    await load(host, 'spin');
    await host.request('run.continue', {});
    const crashed = nextEvent(host, 'crashed');
    const asked = host.request('run.pause', {});
    host.crashForTest();
    const event = await crashed;
    await asked;
    expect(event.message).toContain('told to crash');
    expect(event.lastTrace[0]).toMatch(/^vCPU 0: rip 0x/);
    expect(await host.request('machine.status', {})).toMatchObject({ ok: false, error: { code: 'engine-crashed' } });
    expect(await load(host, 'hello')).toMatchObject({ state: 'paused' });
  });

  it('loses neither the machine that a reset makes again nor the breakpoints', async () => {
    const host = await startHost(true);
    await load(host, 'hello');
    const mmio = {
      kind: 'mmio',
      start: 0xb8000n,
      length: 0x1000n,
      access: 'write',
      outcomes: [],
      freshness: 'any',
    } as const;
    await host.request('breakpoints.add', { spec: { kind: 'exec', address: 0n, symbol: 'guest_main' } });
    await host.request('breakpoints.add', { spec: { ...mmio, outcomes: ['FIRST'] }, once: true, stopAtHit: 2 });
    await host.request('breakpoints.add', { spec: { kind: 'exec', address: 0x10_0010n }, enabled: false });
    const before = await host.request('breakpoints.list', {});
    await crash(host);

    expect(await host.request('machine.reset', {})).toMatchObject({
      ok: true,
      value: { state: 'paused', image: 'hello' },
    });
    expect(await host.request('breakpoints.list', {})).toEqual(before);
    const stopped = nextEvent(host, 'status', ({ status }) => status.reason.kind === 'breakpoint');
    await host.request('run.continue', {});
    expect((await stopped).status.reason).toMatchObject({ id: 1 });
  });

  it.each([
    ['put in place of all', 'breakpoints.replace', { breakpoints: [{ spec: { kind: 'exec', address: 0x10_0020n } }] }],
    ['set at the console', 'console.run', { line: 'break 0x100020', vcpu: 0 }],
  ] as const)('nor those that were %s', async (_how, name, params) => {
    const host = await startHost(true);
    await load(host, 'hello');
    await host.request('breakpoints.add', { spec: { kind: 'exec', address: 0x10_0010n } });
    expect(await host.request(name, params as never)).toMatchObject({ ok: true });
    const before = await host.request('breakpoints.list', {});
    await crash(host);
    await host.request('machine.reset', {});
    const after = await host.request('breakpoints.list', {});
    const places = (answer: typeof before) => (answer.ok ? answer.value.map(({ text }) => text) : []);
    expect(places(after)).toEqual(places(before));
    expect(places(after).join()).toContain('0x100020');
  });

  it('leaves disabled what was to stop once and has', async () => {
    const host = await startHost(true);
    await load(host, 'hello');
    await host.request('breakpoints.add', {
      spec: { kind: 'exec', address: 0n, symbol: 'guest_main' },
      once: true,
    });
    const stopped = nextEvent(host, 'status', ({ status }) => status.reason.kind === 'breakpoint');
    await host.request('run.continue', {});
    await stopped;
    await crash(host);
    await host.request('machine.reset', {});
    expect(await host.request('breakpoints.list', {})).toMatchObject({ ok: true, value: [{ enabled: false }] });
  });

  it('still has its machine when the image that was to follow is refused', async () => {
    const host = await startHost(true);
    await load(host, 'hello');
    await crash(host);
    const empty = { image: new Uint8Array(), name: 'empty', options: {} };
    expect(await host.request('machine.create', empty)).toMatchObject({ ok: false, error: { code: 'refused' } });
    expect(await host.request('machine.reset', {})).toMatchObject({ ok: true, value: { image: 'hello' } });
    expect(host.present?.name).toBe('hello');
  });

  it('cannot be asked for unless it was started for tests', async () => {
    const host = await startHost();
    expect(() => host.crashForTest()).toThrow('for tests');
  });

  it('answers what was asked after the end as a crash', async () => {
    const host = await startHost();
    await host.close();
    expect(await host.request('machine.status', {})).toMatchObject({ ok: false, error: { code: 'engine-crashed' } });
  });
});
