import { spawn } from 'node:child_process';
import { Complaint } from './complaint.mjs';

/**
 * @typedef {{ name: string, close: () => void }} VirtualDisplay
 */

/**
 * Starts an X server without a screen. It picks a free number by itself and says which (Xserver(1), -displayfd), so two test
 * runs on one machine do not meet.
 * @param {{ width: number, height: number }} size
 * @returns {Promise<VirtualDisplay>}
 */
export async function openVirtualDisplay({ width, height }) {
  const args = ['-displayfd', '3', '-screen', '0', `${width}x${height}x24`, '-nolisten', 'tcp', '-noreset'];
  const server = spawn('Xvfb', args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  let complaints = '';
  server.stderr?.setEncoding('utf8').on('data', (text) => (complaints += text));
  const number = await new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new Complaint(`Xvfb could not be started: ${error.message}`)));
    server.once('exit', (status) => reject(new Complaint(`Xvfb ended with status ${status}: ${complaints}`)));
    let text = '';
    server.stdio[3]?.on('data', (piece) => {
      text += piece;
      if (text.includes('\n')) resolve(text.trim());
    });
  });
  const close = () => {
    process.off('exit', close);
    server.kill();
  };
  process.on('exit', close);
  // Nothing of the server keeps us alive.
  server.unref();
  for (const stream of server.stdio)
    if (stream && 'unref' in stream) /** @type {import('node:net').Socket} */ (stream).unref();
  return { name: `:${number}`, close };
}
