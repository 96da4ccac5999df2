/** What the scheduler of Linux gave the threads of a process, and let them wait for. Other systems do not say. */
import { readFileSync, readdirSync } from 'node:fs';

export const canWait = process.platform === 'linux';

/** @typedef {Map<string, { ran: number, waited: number }>} ThreadTimes  by thread id, milliseconds since it began */

/**
 * @param {{ process: () => { pid?: number | undefined } }} app
 * @returns {ThreadTimes}
 */
export function threadTimes(app) {
  const folder = `/proc/${app.process().pid}/task`;
  return new Map(canWait ? readdirSync(folder).flatMap((id) => timesOf(folder, id)) : []);
}

/**
 * `schedstat`: nanoseconds on a processor, nanoseconds in a run queue, turns (Documentation/scheduler/sched-stats.rst).
 * @param {string} folder
 * @param {string} id
 * @returns {[string, { ran: number, waited: number }][]}
 */
function timesOf(folder, id) {
  try {
    const [ran, waited] = readFileSync(`${folder}/${id}/schedstat`, 'utf8').split(' ').map(Number);
    return [[id, { ran: ran / 1e6, waited: waited / 1e6 }]];
  } catch {
    // It has ended since the folder was read.
    return [];
  }
}

/**
 * How long the thread that computed most between two readings waited for a processor: the guest's never sleeps.
 * @param {ThreadTimes} before
 * @param {ThreadTimes} after
 */
export function waitOfBusiest(before, after) {
  const spent = [...after].map(([id, { ran, waited }]) => {
    const start = before.get(id);
    return { ran: ran - (start?.ran ?? 0), waited: waited - (start?.waited ?? 0) };
  });
  return spent.toSorted((a, b) => b.ran - a.ran).at(0)?.waited ?? 0;
}
