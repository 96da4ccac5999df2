/** A session in this thread with a guest of the program in it, for tests of the debugger. */
import { readFileSync } from 'node:fs';
import { DebugSession } from '../../../core/debug/debug-session.ts';
import type { LaunchVcpu } from '../../../core/machine/index.ts';
import type { EngineEvent } from '../../../core/protocol/events.ts';
import type { MachineOptionsInput, Params, Reply, RequestName } from '../../../core/protocol/requests.ts';

export class TestSession {
  readonly engine: DebugSession;
  readonly events: EngineEvent[] = [];
  /** Host time of the test: one millisecond a look, so that slices are cut the same way in every run. */
  #time = 0;

  constructor(launchVcpu?: LaunchVcpu) {
    this.engine = new DebugSession({
      allocate: (bytes) => new SharedArrayBuffer(bytes),
      now: () => (this.#time += 1),
      emit: (event) => this.events.push(event),
      launchVcpu,
    });
  }

  ask<K extends RequestName>(name: K, params: Params<K>): Reply<K> {
    const answer = this.engine.handle(name, params);
    if (!answer.ok) throw new Error(`${name}: ${answer.error.message}`);
    return answer.value;
  }

  refusal(name: RequestName, params: unknown): string {
    const answer = this.engine.handle(name, params);
    if (answer.ok) throw new Error(`${name} was not refused`);
    return answer.error.message;
  }

  /** Runs slices until the guest stands still. */
  settle(): Reply<'machine.status'> {
    while (this.engine.running) this.engine.slice();
    return this.ask('machine.status', {});
  }

  run(untilInsns?: number): Reply<'machine.status'> {
    this.ask('run.continue', untilInsns === undefined ? {} : { untilInsns });
    return this.settle();
  }

  serial(): string {
    return new TextDecoder().decode(this.ask('serial.read', {}).bytes);
  }

  /** A copy of the whole machine but the words that threads talk through. */
  arenaBytes(): Buffer {
    const bytes = Buffer.from(this.#arena());
    bytes.fill(0, CONTROL, CONTROL_END);
    return bytes;
  }

  /** Whether the machine is still what it was when the copy was taken. */
  isAt(copy: Buffer): boolean {
    return isSame(this.#arena(), copy);
  }

  /** Whether two machines are the same, byte for byte but for the words that threads talk through. */
  isLike(other: TestSession): boolean {
    return isSame(this.#arena(), other.#arena());
  }

  #arena(): Buffer {
    const { arenaBuffer } = this.engine;
    if (arenaBuffer === undefined) throw new Error('there is no machine');
    return Buffer.from(arenaBuffer);
  }
}

const CONTROL = 4096;
const CONTROL_END = 2 * CONTROL;
const isSame = (one: Buffer, other: Buffer): boolean =>
  one.subarray(0, CONTROL).equals(other.subarray(0, CONTROL)) &&
  one.subarray(CONTROL_END).equals(other.subarray(CONTROL_END));

const RAM = 8 * 1024 * 1024;

export const guestImage = (name: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../../../electron/guests/${name}.elf`, import.meta.url)));

export function sessionWith(guest: string, options: MachineOptionsInput = {}, launch?: LaunchVcpu): TestSession {
  const session = new TestSession(launch);
  session.ask('machine.create', { image: guestImage(guest), name: guest, options: { ramBytes: RAM, ...options } });
  return session;
}

/** A flat image of 32-bit code, entered at 1 MiB. */
export function sessionWithCode(
  code: readonly number[],
  options: MachineOptionsInput = {},
  launch?: LaunchVcpu,
): TestSession {
  const session = new TestSession(launch);
  session.ask('machine.create', { image: Uint8Array.from(code), name: 'code', options: { ramBytes: RAM, ...options } });
  return session;
}
