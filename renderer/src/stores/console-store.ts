/** The console: what was typed, what came of it, and the lines that were typed before, which outlive the window. */
import type { Answer, ConsoleCompletion, ConsoleEdit, ConsoleEditStep } from '@core/protocol/index.ts';
import { CONSOLE_COLUMNS, MAX_CONSOLE_CHARACTERS } from '@core/protocol/index.ts';
import { echoedLine, refusalLines } from '@core/format/console-text.ts';
import * as v from 'valibot';
import { defineStore } from 'pinia';
import { ref, shallowRef, watch } from 'vue';
import { useBreakpointsStore } from './breakpoints-store.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useEditHistoryStore } from './edit-history-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useNoticesStore } from './notices-store.ts';
import { useTraceStore } from './trace-store.ts';
import { useTurnsStore } from './turns-store.ts';

export interface ConsoleEntry {
  readonly id: number;
  readonly kind: 'input' | 'output' | 'refusal';
  readonly text: string;
}

const HISTORY_KEY = 'umbra.console-history';
/** What the contract takes. */
const FEWEST_COLUMNS = 20;
const MOST_COLUMNS = 1000;
const KEPT_LINES = 3000;
const KEPT_HISTORY = 500;
const historySchema = v.array(v.pipe(v.string(), v.maxLength(MAX_CONSOLE_CHARACTERS)));

/** What is stored is hostile: it is lines, or nothing. */
function readHistory(): readonly string[] {
  try {
    const parsed = v.safeParse(historySchema, JSON.parse(localStorage.getItem(HISTORY_KEY) ?? '[]'));
    return parsed.success ? parsed.output.slice(-KEPT_HISTORY) : [];
  } catch {
    return [];
  }
}

export const useConsoleStore = defineStore('console', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const breakpoints = useBreakpointsStore();
  const trace = useTraceStore();
  const turns = useTurnsStore();
  const changes = useEditHistoryStore();
  const notices = useNoticesStore();
  const entries = shallowRef<readonly ConsoleEntry[]>([]);
  /** Oldest first. */
  const history = ref(readHistory());
  /** How many characters stand in a line of the panel. */
  const columns = ref(CONSOLE_COLUMNS);
  let nextId = 0;
  /** What an empty line stands for. */
  let repeat = '';
  /** A command let the machine run: its stop is news for the console. */
  let awaitsStop = false;

  function write(kind: ConsoleEntry['kind'], lines: readonly string[]): void {
    const fresh = lines.map((text) => {
      nextId += 1;
      return { id: nextId, kind, text };
    });
    if (fresh.length > 0) entries.value = [...entries.value, ...fresh].slice(-KEPT_LINES);
  }

  function remember(line: string): void {
    if (line === '' || history.value.at(-1) === line) return;
    history.value = [...history.value, line].slice(-KEPT_HISTORY);
    localStorage.setItem(HISTORY_KEY, JSON.stringify(history.value));
  }

  /** An empty line repeats what can be repeated: a step, a look at what lies behind. */
  function run(typed: string): Promise<void> {
    remember(typed.trim());
    // Whoever types ahead is answered line by line.
    return turns.take(() => runLine(typed));
  }

  async function runLine(typed: string): Promise<void> {
    const line = typed.trim() === '' ? repeat : typed;
    if (line === '') return;
    write('input', [echoedLine(line)]);
    const answer = await desktop.call('console.run', { line, vcpu: machine.selectedVcpu, columns: columns.value });
    if (!answer.ok) {
      write('refusal', [answer.error.message]);
      return;
    }
    const { lines, refusal, vcpu, restarted, edits } = answer.value;
    for (const edit of edits) remind(line, edit);
    write('output', lines);
    if (refusal !== undefined) write('refusal', refusalLines(refusal));
    repeat = answer.value.repeat;
    machine.selectedVcpu = vcpu;
    if (restarted) machine.loads += 1;
    awaitsStop = machine.isRunning;
    void breakpoints.refresh();
    if (machine.hasMachine) void trace.refreshEvents();
  }

  /** Taken back and made again like an edit in the panel that it could have been made in. */
  function remind(line: string, { undo, redo }: ConsoleEdit): void {
    const make = async (step: ConsoleEditStep): Promise<boolean> => {
      const answer = await apply(step);
      if (!answer.ok) notices.addError(answer.error);
      return answer.ok;
    };
    changes.record({ title: line.trim(), undo: () => make(undo), redo: () => make(redo) });
  }

  function apply(step: ConsoleEditStep): Promise<Answer<'registers.write' | 'memory.write' | 'memslots.set'>> {
    switch (step.what) {
      case 'register': {
        const { what: _what, ...wish } = step;
        return desktop.call('registers.write', wish);
      }
      case 'memory': {
        const { what: _what, ...wish } = step;
        return desktop.call('memory.write', wish);
      }
      case 'memslot':
        return desktop.call('memslots.set', { region: step.region });
    }
  }

  /** Where the machine has come to a stand after a command that could not wait for it. */
  watch(
    () => machine.isRunning,
    async (isRunning) => {
      if (isRunning || !awaitsStop) return;
      awaitsStop = false;
      const answer = await desktop.call('console.run', { line: 'where', vcpu: machine.selectedVcpu });
      if (answer.ok) write('output', answer.value.lines.slice(0, STOP_LINES));
    },
  );

  async function complete(line: string, cursor: number): Promise<ConsoleCompletion | undefined> {
    const answer = await desktop.call('console.complete', { line, cursor, vcpu: machine.selectedVcpu });
    return answer.ok ? answer.value : undefined;
  }

  /** As a terminal's Ctrl+C: a guest that runs is paused, a line that is being typed is dropped. */
  function interrupt(typed: string): boolean {
    if (!machine.isRunning && typed === '') return false;
    write('input', [`${echoedLine(typed)}^C`]);
    if (!machine.isRunning) return true;
    awaitsStop = true;
    void machine.pause();
    return true;
  }

  function setWidth(characters: number): void {
    columns.value = Math.min(MOST_COLUMNS, Math.max(FEWEST_COLUMNS, Math.floor(characters)));
  }

  function clear(): void {
    entries.value = [];
  }

  return { entries, history, run, complete, interrupt, setWidth, clear };
});

/** Why, and the instruction. */
const STOP_LINES = 2;
