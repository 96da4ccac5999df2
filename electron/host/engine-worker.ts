/**
 * The thread that runs the machine. While the guest runs, this thread never returns to its event loop: between slices of one
 * or two milliseconds it takes what the host has sent and goes on. While the guest stands, it sleeps in the event loop.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { DebugSession } from '../../core/debug/debug-session.ts';
import { allocateArena } from './arena-memory.ts';
import { raiseInliningBudget } from './compiler-budget.ts';
import { stateCodec } from './state-codec.ts';
import { vcpuLauncher } from './vcpu-threads.ts';
import type { HostMessage, WorkerMessage, WorkerSetup } from './worker-messages.ts';

if (parentPort === null) throw new Error('engine-worker runs as a worker thread only');
const port = parentPort;
const setup: WorkerSetup = workerData;
raiseInliningBudget();

const send = (message: WorkerMessage): void => port.postMessage(message);

const session = new DebugSession({
  allocate: allocateArena,
  now: () => performance.now(),
  emit: (event) => send({ kind: 'event', event }),
  launchVcpu: vcpuLauncher(setup.vcpuWorker),
  codec: stateCodec,
});
let announced: SharedArrayBuffer | undefined;
let announcedChanges = 0;

port.on('message', (message: HostMessage) => {
  take(message);
  runWhileAsked();
});
send({ kind: 'ready' });

function take(message: HostMessage): void {
  if (message.kind === 'crash') {
    if (!setup.allowCrash) return;
    if (message.vcpu === undefined) throw new Error('the engine was told to crash by a test');
    session.crashVcpuForTest(message.vcpu);
    return;
  }
  const asked = performance.now();
  const answers = message.requests.map(({ id, name, params }) => {
    const answer = session.handle(name, params);
    announceArena();
    announceBreakpoints();
    return { id, answer };
  });
  send({ kind: 'answers', answers, tookMs: performance.now() - asked });
}

/** The host sets them again in the thread that follows this one, should it die. */
function announceBreakpoints(): void {
  if (session.breakpointChanges === announcedChanges) return;
  announcedChanges = session.breakpointChanges;
  const answer = session.handle('breakpoints.list', {});
  if (answer.ok) send({ kind: 'breakpoints', breakpoints: answer.value });
}

/** The host needs the arena for its control word, and for the last words when this thread dies. */
function announceArena(): void {
  const buffer = session.arenaBuffer;
  if (buffer === undefined || buffer === announced) return;
  announced = buffer;
  send({ kind: 'arena', buffer });
}

let isScheduled = false;

function runWhileAsked(): void {
  while (session.running && !isScheduled) {
    session.slice();
    // Where it stopped, one may have been met for the only time.
    if (!session.running) announceBreakpoints();
    // The words are cleared before the mailbox is emptied: a message that comes later sets them again.
    session.clearHostRequests();
    for (let received = receiveMessageOnPort(port); received !== undefined; received = receiveMessageOnPort(port)) {
      take(received.message);
    }
    if (session.isParallel) yieldOnce();
  }
}

/** The end of a vCPU's thread is an event of this thread's loop. */
function yieldOnce(): void {
  isScheduled = true;
  setImmediate(() => {
    isScheduled = false;
    runWhileAsked();
  });
}
