import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/**
 * @typedef {object} Outcome
 * @property {number} status  exit status; 128 + signal number when a signal ended it, as a shell says it
 * @property {string} stdout  what was captured; empty for an inherited stream
 * @property {string} stderr
 */

/**
 * Runs a program to its end. Never rejects for a bad exit status; rejects when the program cannot be started.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, timeoutMs?: number, output?: 'capture' | 'inherit' | 'to-stderr' }} [options]
 * @returns {Promise<Outcome>}
 */
export function runToEnd(command, args, { cwd, env, timeoutMs, output = 'capture' } = {}) {
  const capture = output === 'capture';
  const child = spawn(command, args, {
    cwd,
    env: env ?? process.env,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    stdio: capture ? ['ignore', 'pipe', 'pipe'] : ['inherit', output === 'to-stderr' ? 2 : 'inherit', 'inherit'],
    shell: process.platform === 'win32' && /\.cmd$/i.test(command),
  });
  const stdout = gather(child.stdout);
  const stderr = gather(child.stderr);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({
        status: signal ? 128 + constants.signals[signal] : (code ?? 1),
        stdout: stdout(),
        stderr: stderr(),
      }),
    );
  });
}

/** @param {import('node:stream').Readable | null} stream */
function gather(stream) {
  let text = '';
  stream?.setEncoding('utf8').on('data', (piece) => (text += piece));
  return () => text;
}
