/** One run of a guest from its first instruction to its end, as `umbra run` has it. */
import { stopReport } from '../../core/debug/run/stop-report.ts';
import type { BreakpointWish } from '../../core/format/break-spec.ts';
import type { EngineEvent } from '../../core/protocol/events.ts';
import { TRACEPOINTS } from '../../core/base/tracepoints.ts';
import type { TraceWording } from '../../core/format/trace-text.ts';
import type { MachineStatus } from '../../core/protocol/snapshots.ts';
import { OutputClosed, type CliInput, type CliIo, type Interrupts } from './cli-io.ts';
import { EngineSession } from './engine-session.ts';
import { STATUS_PIPE } from './exit-status.ts';
import type { ImageFile } from './image-file.ts';
import { machineCreateOptions, type MachineRunOptions } from './machine-options.ts';
import { LogLines } from './log-lines.ts';
import { exitStatusOf, summaryJson, summaryLine, type RunEnd } from './run-summary.ts';
import type { SlotStep } from '../../core/format/slot-script.ts';
import { applySlotEdit } from './slot-edits.ts';
import { openStateFile, saveStateFile } from './state-file.ts';
import { TraceFile, type TraceOption } from './trace-file.ts';

const LATER_EVENTS = TRACEPOINTS.filter(({ modernOnly }) => modernOnly === true).map(({ name }) => name);

const BREAKPOINT_STOPS: ReadonlySet<string> = new Set(['breakpoint', 'mmio-breakpoint', 'event-breakpoint']);

export interface GuestRunOptions extends MachineRunOptions {
  readonly breakAction: 'stop' | 'continue';
  readonly maxInsns: number | undefined;
  readonly trace: string | undefined;
  readonly traceWording: TraceWording | undefined;
  readonly traceOptions: TraceOption | undefined;
  readonly json: boolean;
  /** A machine state to go on from, in place of an image. */
  readonly state: string | undefined;
  /** A state that was saved on threads goes on with its vCPUs taking turns. */
  readonly turns: boolean;
  /** Where to save the machine when the run is over. */
  readonly saveState: string | undefined;
}

export class GuestRun {
  readonly #io: CliIo;
  readonly #engine: EngineSession;
  readonly #options: GuestRunOptions;
  readonly #edits: readonly SlotStep[];
  readonly #trace: TraceFile | undefined;
  readonly #limit: number;
  readonly #log: LogLines;
  #nextEdit = 0;
  #serial: Uint8Array[] = [];
  /** What the guest's line has not taken of the input yet. */
  #input: Uint8Array | undefined;
  #breakpointHits = 0;

  constructor(
    io: CliIo,
    image: ImageFile | undefined,
    breakpoints: readonly BreakpointWish[],
    edits: readonly SlotStep[],
    options: GuestRunOptions,
  ) {
    this.#io = io;
    this.#options = options;
    this.#edits = edits;
    this.#limit = options.maxInsns ?? Infinity;
    this.#engine = new EngineSession((event) => this.#hear(event));
    this.#log = new LogLines(this.#engine, (line) => this.#io.complain(`umbra: ${line}`));
    if (image !== undefined) {
      const created = machineCreateOptions(options);
      this.#engine.ask('machine.create', { image: image.bytes, name: image.name, options: created });
    } else if (options.state !== undefined) openStateFile(this.#engine, options.state, threadsOf(options));
    for (const breakpoint of breakpoints) this.#engine.ask('breakpoints.add', breakpoint);
    if (options.trace !== undefined) {
      this.#trace = new TraceFile(
        options.trace,
        { wording: options.traceWording, irqInfo: options.traceOptions !== 'noirq-info' },
        this.#engine.ask('machine.status', {}).vcpus.length,
      );
      // Asked for by their words, the events of later kernels are recorded in every era.
      const later = options.traceWording === 'modern' ? LATER_EVENTS : [];
      this.#engine.ask('trace.enable', { events: ['*', ...later] });
    }
  }

  /** @returns the exit status */
  async toEnd(): Promise<number> {
    const began = performance.now();
    const { input } = this.#io;
    const interrupts = this.#io.takeInterrupts();
    try {
      const end = await this.#run(input, interrupts);
      const hostMilliseconds = performance.now() - began;
      if (this.#options.saveState !== undefined) saveStateFile(this.#engine, this.#options.saveState);
      return this.#conclude(this.#engine.ask('machine.status', {}), end, hostMilliseconds);
    } catch (error) {
      if (error instanceof OutputClosed) return STATUS_PIPE;
      throw error;
    } finally {
      interrupts.close();
      input?.close();
      const missing = this.#trace?.close();
      if (missing !== undefined) this.#io.complain(`umbra: ${missing}`);
    }
  }

  async #run(input: CliInput | undefined, interrupts: Interrupts): Promise<RunEnd> {
    for (;;) {
      this.#applyDueEdits();
      const untilInsns = Math.min(this.#limit, this.#nextEditAt());
      this.#engine.ask('run.continue', Number.isFinite(untilInsns) ? { untilInsns } : {});
      const end = await this.#runToStop(input, interrupts);
      if (end !== 'stopped') return end;
      const status = this.#engine.ask('machine.status', {});
      const { reason } = status;
      if (reason.kind === 'paused' && status.moment.insns < this.#limit) continue;
      if (!BREAKPOINT_STOPS.has(reason.kind)) return end;
      this.#breakpointHits += 1;
      for (const line of stopReport(this.#engine.answer, status)) this.#io.complain(line);
      if (this.#options.breakAction === 'stop') return end;
    }
  }

  async #runToStop(input: CliInput | undefined, interrupts: Interrupts): Promise<RunEnd> {
    for (;;) {
      this.#feed(input);
      while (this.#engine.running) {
        this.#engine.slice();
        await this.#drain();
        await this.#io.breathe();
        if (interrupts.interrupted) return this.#hold('interrupted');
        this.#feed(input);
      }
      await this.#drain();
      const { state } = this.#engine.ask('machine.status', {});
      if (state !== 'running') return 'stopped';
      // Halted until something is typed.
      if (input === undefined || (input.ended && this.#input === undefined)) return this.#hold('starved');
      await Promise.race([input.arrival(), interrupts.arrival]);
      if (interrupts.interrupted) return this.#hold('interrupted');
    }
  }

  async #hold(end: RunEnd): Promise<RunEnd> {
    this.#engine.ask('run.pause', {});
    await this.#drain();
    return end;
  }

  #feed(input: CliInput | undefined): void {
    this.#input ??= input?.take();
    while (this.#input !== undefined) {
      const chunk = this.#input.slice(0, 65536);
      const { accepted } = this.#engine.ask('serial.write', { bytes: chunk });
      const rest = this.#input.subarray(accepted);
      this.#input = rest.length > 0 ? rest : input?.take();
      if (accepted < chunk.length) return;
    }
  }

  async #drain(): Promise<void> {
    this.#trace?.drain(this.#engine);
    this.#log.drain();
    const chunks = this.#serial;
    if (chunks.length === 0) return;
    this.#serial = [];
    for (const bytes of chunks) await this.#io.write(bytes);
  }

  #nextEditAt(): number {
    return this.#edits.at(this.#nextEdit)?.at ?? Infinity;
  }

  #applyDueEdits(): void {
    const { insns } = this.#engine.ask('machine.status', {}).moment;
    while (this.#nextEditAt() <= insns) {
      const edit = this.#edits[this.#nextEdit];
      this.#nextEdit += 1;
      this.#io.complain(`umbra: at ${insns}: ${edit.text}: ${applySlotEdit(this.#engine, edit)}`);
    }
  }

  #conclude(status: MachineStatus, end: RunEnd, hostMilliseconds: number): number {
    const exitStatus = exitStatusOf(status, this.#limit, end);
    this.#log.conclude();
    if (this.#nextEdit < this.#edits.length) {
      this.#io.complain(`umbra: ${this.#edits.length - this.#nextEdit} edits of the script were never reached.`);
    }
    this.#io.complain(`umbra: ${summaryLine(status, this.#limit, end)}`);
    if (this.#options.json) {
      const stats = this.#engine.ask('stats.read', {});
      const breakpointHits = this.#breakpointHits;
      this.#io.complain(summaryJson({ status, stats, exitStatus, breakpointHits, hostMilliseconds }));
    }
    return exitStatus;
  }

  #hear(event: EngineEvent): void {
    if (event.kind === 'serial') this.#serial.push(event.bytes);
    else if (event.kind === 'log' && event.level !== 'info') this.#io.complain(`umbra: ${event.text}`);
  }
}

/** How the vCPUs of a state go on: as it was saved, unless one of the two is asked for. */
const threadsOf = ({ threads, turns }: GuestRunOptions): boolean | undefined =>
  threads ? true : turns ? false : undefined;
