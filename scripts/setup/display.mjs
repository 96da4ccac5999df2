import net from 'node:net';

/**
 * @typedef {{ present: true, native: 'x11' | 'wayland' | 'system' } | { present: false, reason: string }} Display
 */

/**
 * Whether a window can be opened here. A DISPLAY that nobody answers (a closed ssh session, a container that got the
 * variable but not the socket) counts as none.
 * @returns {Promise<Display>}
 */
export async function findDisplay(env = process.env, platform = process.platform) {
  if (platform !== 'linux') return { present: true, native: 'system' };
  const { DISPLAY: display, WAYLAND_DISPLAY: wayland } = env;
  if (display) {
    const address = parseDisplay(display);
    if (!address) return { present: false, reason: `DISPLAY=${display} is not the name of a display` };
    for (const endpoint of address) if (await answers(endpoint)) return { present: true, native: 'x11' };
    if (!wayland) return { present: false, reason: `DISPLAY=${display} is set but nothing answers there` };
  }
  if (wayland) return { present: true, native: 'wayland' };
  return { present: false, reason: 'neither DISPLAY nor WAYLAND_DISPLAY is set' };
}

/**
 * Where the X server of a display name listens: `[host]:number[.screen]` (X(7), "DISPLAY NAMES").
 * @param {string} display
 * @returns {net.NetConnectOpts[] | undefined}
 */
export function parseDisplay(display) {
  const match = /^(?:unix)?(.*?):(\d+)(?:\.\d+)?$/.exec(display);
  if (!match) return undefined;
  const [, host, number] = match;
  if (host === '') {
    const socket = `/tmp/.X11-unix/X${number}`;
    // Linux servers also listen on the abstract socket of the same name, which survives a private /tmp.
    return [{ path: socket }, { path: `\0${socket}` }];
  }
  return [{ host, port: 6000 + Number(number) }];
}

/**
 * @param {net.NetConnectOpts} endpoint
 * @returns {Promise<boolean>}
 */
function answers(endpoint) {
  return new Promise((resolve) => {
    const socket = net.connect({ ...endpoint, timeout: 2000 });
    const finish = (/** @type {boolean} */ result) => {
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => finish(true));
    socket.once('timeout', () => finish(false));
    socket.once('error', () => finish(false));
  });
}
