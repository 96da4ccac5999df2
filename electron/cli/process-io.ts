/** The command line's world when it is a process: standard streams with backpressure. */
import { fstatSync, readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { OutputClosed, type CliInput, type CliIo, type Interrupts } from './cli-io.ts';
import { STATUS_PIPE } from './exit-status.ts';

const STDIN_FD = 0;

export function processIo(): CliIo {
  let input: CliInput | undefined;
  let closed = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that has gone needs no telling; a full disk does.
    if (!closed && error.code !== 'EPIPE') {
      process.stderr.write(`umbra: standard output cannot be written: ${error.message}\n`);
    }
    closed = true;
    process.exitCode = STATUS_PIPE;
  });
  return {
    async write(bytes) {
      if (closed) throw new OutputClosed('standard output is closed');
      if (process.stdout.write(bytes)) return;
      await new Promise<void>((resolve) => {
        process.stdout.once('drain', resolve);
        process.stdout.once('close', resolve);
        process.stdout.once('error', () => resolve());
      });
    },
    complain(line) {
      process.stderr.write(`${line}\n`);
    },
    get input() {
      input ??= openInput();
      return input;
    },
    async breathe() {
      await nextTurn();
    },
    takeInterrupts,
  };
}

function takeInterrupts(): Interrupts {
  let interrupted = false;
  let hear = (): void => {};
  const arrival = new Promise<void>((resolve) => {
    hear = () => {
      interrupted = true;
      resolve();
    };
  });
  // Once: with the listener gone, the signal does again what it does to any process.
  process.once('SIGINT', hear);
  return {
    get interrupted() {
      return interrupted;
    },
    arrival,
    close: () => void process.off('SIGINT', hear),
  };
}

/** A file is read at once, so that a run with input from a file is repeatable; anything else is taken as it comes. */
function openInput(): CliInput | undefined {
  try {
    if (fstatSync(STDIN_FD).isFile()) return fileInput(readFileSync(STDIN_FD));
  } catch {
    // No standard input at all.
    return undefined;
  }
  return streamInput();
}

function fileInput(bytes: Uint8Array): CliInput {
  let left: Uint8Array | undefined = bytes.length > 0 ? bytes : undefined;
  return {
    take() {
      const taken = left;
      left = undefined;
      return taken;
    },
    get ended() {
      return left === undefined;
    },
    arrival: () => Promise.resolve(),
    close() {},
  };
}

function streamInput(): CliInput {
  const { stdin } = process;
  const chunks: Uint8Array[] = [];
  let ended = false;
  let wake: (() => void) | undefined;
  const arrive = (): void => {
    wake?.();
    wake = undefined;
  };
  const finish = (): void => {
    ended = true;
    arrive();
  };
  stdin.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    arrive();
  });
  stdin.on('end', finish);
  stdin.on('close', finish);
  stdin.on('error', finish);
  return {
    take: () => chunks.shift(),
    get ended() {
      return ended && chunks.length === 0;
    },
    arrival: () =>
      ended || chunks.length > 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            wake = resolve;
          }),
    close() {
      stdin.pause();
      stdin.unref?.();
    },
  };
}
