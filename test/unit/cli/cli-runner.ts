/** The command line in this process, its output in strings. */
import { runCli } from '../../../electron/cli/cli.ts';
import type { CliInput } from '../../../electron/cli/cli-io.ts';

export interface CliOutcome {
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export async function umbra(words: readonly string[], typed = ''): Promise<CliOutcome> {
  let stdout = '';
  let stderr = '';
  const status = await runCli(words, {
    write(bytes) {
      stdout += typeof bytes === 'string' ? bytes : new TextDecoder().decode(bytes);
      return Promise.resolve();
    },
    complain(line) {
      stderr += `${line}\n`;
    },
    input: typedInput(typed),
    breathe: () => Promise.resolve(),
    takeInterrupts: () => ({ interrupted: false, arrival: new Promise(() => {}), close() {} }),
  });
  return { status, stdout, stderr };
}

function typedInput(text: string): CliInput {
  let left: Uint8Array | undefined = text === '' ? undefined : new TextEncoder().encode(text);
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
