/** `umbra console IMAGE`: the window's console in a terminal, or fed with lines from a file or a pipe. */
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { echoedLine, refusalLines } from '../../core/format/console-text.ts';
import { offer, type CliIo } from './cli-io.ts';
import { EngineSession } from './engine-session.ts';
import { STATUS_FAILED, STATUS_OK } from './exit-status.ts';
import { readImage } from './image-file.ts';
import { machineCreateOptions, machineOptions, type MachineRunOptions } from './machine-options.ts';

const HELP = `
The guest stands at its first instruction. What it sends on its serial line is printed as it comes. Ctrl+C stops a guest that
runs; quit, or the end of the input, leaves.

Exit status:
  0, or 1 when the lines came from a file or pipe and one of them was refused.`;

export function registerConsole(program: Command, io: CliIo, finish: (status: number) => void): void {
  machineOptions(
    program
      .command('console')
      .summary("a guest under the debugger's console: help lists its commands")
      .description('Loads a guest and takes commands line by line, as the Console panel of the window does.')
      .argument('<image>', 'as for: umbra run'),
  )
    .addHelpText('after', HELP)
    .action(async (image: string, options: MachineRunOptions) => finish(await consoleOver(image, options, io)));
}

async function consoleOver(image: string, options: MachineRunOptions, io: CliIo): Promise<number> {
  const file = readImage(image);
  const session = new ConsoleSession(io);
  session.engine.ask('machine.create', { image: file.bytes, name: file.name, options: machineCreateOptions(options) });
  return process.stdin.isTTY ? await session.fromTerminal() : await session.fromInput();
}

class ConsoleSession {
  readonly engine: EngineSession;
  readonly #io: CliIo;
  #vcpu = 0;
  #repeat = '';
  #refusals = 0;

  constructor(io: CliIo) {
    this.#io = io;
    this.engine = new EngineSession((event) => {
      if (event.kind === 'serial') offer(io, new TextDecoder().decode(event.bytes));
      else if (event.kind === 'log' && event.level !== 'info') io.complain(`umbra: ${event.text}`);
    });
  }

  /** Lines of a file: each is echoed, so that the output reads like a session. */
  async fromInput(): Promise<number> {
    const { input } = this.#io;
    let text = '';
    const decoder = new TextDecoder();
    while (input !== undefined) {
      const chunk = input.take();
      if (chunk !== undefined) text += decoder.decode(chunk, { stream: true });
      else if (input.ended) break;
      else await input.arrival();
    }
    for (const line of text.split(/\r?\n/)) {
      const command = line.replace(/^\s*#.*$/, '').trim();
      if (command === '') continue;
      if (isLeaving(command)) break;
      await this.#io.write(`${echoedLine(command)}\n`);
      await this.#run(command);
    }
    input?.close();
    return this.#refusals === 0 ? STATUS_OK : STATUS_FAILED;
  }

  async fromTerminal(): Promise<number> {
    const lines = createInterface({
      input: process.stdin,
      output: process.stdout,
      completer: (line: string): [string[], string] => this.#complete(line),
    });
    const prompt = (): void => {
      lines.setPrompt(`vCPU ${this.#vcpu}> `);
      lines.prompt();
    };
    prompt();
    for await (const line of lines) {
      const command = line.trim() === '' ? this.#repeat : line;
      if (isLeaving(command.trim())) break;
      if (command !== '') await this.#run(command);
      prompt();
    }
    lines.close();
    return STATUS_OK;
  }

  async #run(line: string): Promise<void> {
    const { lines, refusal, vcpu, repeat } = this.engine.ask('console.run', {
      line,
      vcpu: this.#vcpu,
      ...terminalColumns(),
    });
    this.#vcpu = vcpu;
    this.#repeat = repeat;
    for (const text of lines) await this.#io.write(`${text}\n`);
    if (refusal !== undefined) {
      this.#refusals += 1;
      for (const text of refusalLines(refusal)) await this.#io.write(`${text}\n`);
    }
    if (this.engine.running) await this.#untilStop();
  }

  /** A guest that a command let go is waited for, as a terminal has nothing else to do. */
  async #untilStop(): Promise<void> {
    const interrupts = this.#io.takeInterrupts();
    while (this.engine.running && !interrupts.interrupted) {
      this.engine.slice();
      await this.#io.breathe();
    }
    interrupts.close();
    if (this.engine.ask('machine.status', {}).state === 'running') this.engine.ask('run.pause', {});
    const { lines } = this.engine.ask('console.run', { line: 'where', vcpu: this.#vcpu });
    for (const text of lines.slice(0, 2)) await this.#io.write(`${text}\n`);
  }

  #complete(line: string): [string[], string] {
    const { candidates, from } = this.engine.ask('console.complete', { line, cursor: line.length, vcpu: this.#vcpu });
    return [[...candidates], line.slice(from)];
  }
}

/** A pipe is as wide as it takes. */
const terminalColumns = (): { readonly columns?: number } =>
  process.stdout.isTTY ? { columns: Math.min(1000, Math.max(20, process.stdout.columns)) } : {};

const isLeaving = (line: string): boolean => /^(quit|exit|q)$/.test(line);
