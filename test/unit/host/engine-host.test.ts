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
