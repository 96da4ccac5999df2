/**
 * The engine behind the contract, as one synchronous object: `handle` answers a request, `slice` lets the guest run for a
 * millisecond or two. A worker thread, the command line and the tests drive it alike. It never throws at its driver: a
 * bug that shows while the guest runs stops the machine and is its stop reason.
 */
import * as v from 'valibot';
import { CONTROL_REQUEST } from '../arena/control-layout.ts';
import { REQUEST_SCHEMAS, type Answer, type RequestName } from '../protocol/requests.ts';
import { badRequest, noMachine, notAllowed, refused } from './refusal.ts';
import { heldBack } from './requests/hold-requests.ts';
import { REQUEST_TABLE } from './requests/request-families.ts';
import type { RequestHandler } from './request-table.ts';
import { Session, type SessionPlatform } from './session.ts';

export type { SessionPlatform } from './session.ts';

const SLICE_MS = 2;
/** About 30 status events a second while the guest runs. */
const STATUS_MS = 33;
/** Serial output leaves at least this often while the guest runs. */
const SERIAL_MS = 16;

export class DebugSession {
  readonly #session: Session;
  #lastStatus = 0;
  #lastSerial = 0;

  constructor(platform: SessionPlatform) {
    this.#session = new Session(platform, (name, params) => this.handle(name, params));
  }

  /** Whether `slice` has anything to do. An idle guest that waits for its serial line has not. */
  get running(): boolean {
    const run = this.#session.debuggee?.run;
    return run !== undefined && run.running && !run.waitsForInput;
  }

  /** vCPUs run on threads of their own, whose end is heard of in the event loop only. */
  get isParallel(): boolean {
    return this.#session.debuggee?.machine.isParallel ?? false;
  }

  /** How often the list of breakpoints has become another: by a request, the console, a saved state, or a hit that was the last. */
  get breakpointChanges(): number {
    return this.#session.breakpoints.changes;
  }

  /** Only tests of the program's behaviour in a crash ask for it. */
  crashVcpuForTest(id: number): void {
    this.#session.debuggee?.machine.crashVcpuForTest(id);
  }

  /** The machine's memory, once there is a machine. */
  get arenaBuffer(): SharedArrayBuffer | undefined {
    return this.#session.arena?.buffer;
  }

  /** @param params anything: they are parsed before they are believed */
  handle<K extends RequestName>(name: K, params: unknown): Answer<K> {
    const parsed = v.safeParse(REQUEST_SCHEMAS[name], params);
    if (!parsed.success) {
      const [issue] = parsed.issues;
      return badRequest(`${name}: ${v.getDotPath(issue) ?? 'parameters'}: ${issue.message}.`);
    }
    if (this.#session.debuggee === undefined && !WITHOUT_MACHINE.has(name)) return noMachine();
    const held = heldBack(this.#session, name);
    if (held !== undefined) return notAllowed(held);
    // The table is typed by name; the compiler cannot follow the pairing through a type parameter.
    const handler = REQUEST_TABLE[name] as unknown as RequestHandler<K>;
    const answer = this.#guarded(name, () => handler(this.#session, parsed.output as never));
    this.#session.flushSerial();
    return answer;
  }

  /** Lets the guest run a little. Ends early when the host asks for something. */
  slice(): void {
    const session = this.#session;
    const run = session.debuggee?.run;
    if (run === undefined || !this.running) return;
    const { now } = session.platform;
    const end = now() + SLICE_MS;
    try {
      do run.runPiece();
      while (this.running && now() < end && !this.#hostAsks());
    } catch (error) {
      run.fail(sentence(error));
    }
    this.#report(now());
  }

  /** The host's request word has been seen; what it stands for is in the mailbox. */
  clearHostRequests(): void {
    const { arena } = this.#session;
    if (arena !== undefined) Atomics.store(arena.i32, (arena.layout.control >> 2) + CONTROL_REQUEST, 0);
  }

  #hostAsks(): boolean {
    const { arena } = this.#session;
    return arena !== undefined && Atomics.load(arena.i32, (arena.layout.control >> 2) + CONTROL_REQUEST) !== 0;
  }

  #report(now: number): void {
    const session = this.#session;
    if (!this.running) {
      session.bumpEpoch();
      session.flushSerial();
      session.sampleRates();
      session.announceStatus();
      return;
    }
    if (now - this.#lastSerial >= SERIAL_MS) {
      this.#lastSerial = now;
      session.flushSerial();
    }
    if (now - this.#lastStatus >= STATUS_MS) {
      this.#lastStatus = now;
      session.sampleRates();
      session.announceStatus();
    }
  }

  /** A request that runs into a bug of ours is refused with its message; the machine, whose state nobody vouches for, stops. */
  #guarded<K extends RequestName>(name: K, answer: () => Answer<K>): Answer<K> {
    try {
      return answer();
    } catch (error) {
      const message = `${name} ran into an error of Umbra's own: ${sentence(error)}`;
      this.#session.platform.emit({ kind: 'log', level: 'error', text: message });
      const run = this.#session.debuggee?.run;
      if (run !== undefined && !READS.test(name)) {
        run.fail(sentence(error));
        this.#session.announceChange();
      }
      return refused(message);
    }
  }
}

const WITHOUT_MACHINE: ReadonlySet<RequestName> = new Set<RequestName>([
  'engine.hello',
  'machine.create',
  'machine.status',
  'spte.decode',
  'console.run',
  'console.complete',
  'expression.complete',
  'spte.readLog',
  'breakpoints.list',
  'breakpoints.add',
  'breakpoints.update',
  'breakpoints.remove',
  'breakpoints.replace',
  'breakpoints.log',
  'race.labs',
  'race.run',
  'state.openBegin',
  'state.openNext',
  'state.openEnd',
  'state.cancel',
]);

/** Requests that only look: an error in one says nothing about the machine. */
const READS =
  /\.(read|status|search|preview|previewAll|timeline|pages|rows|heat|decode|readLog|peek|log|list|evaluate|complete|hello)$|^audit\./;

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));
