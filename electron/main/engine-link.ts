/** Connects the engine with the window: requests one way, events the other, and an engine that would not start said so. */
import type { EngineClient } from '../../core/protocol/client.ts';
import type { PresentMachine } from '../../core/protocol/desktop.ts';
import type { EngineEvent } from '../../core/protocol/events.ts';
import type { Answer, Params, RequestError, RequestName } from '../../core/protocol/requests.ts';

/** The engine as this process holds it; implemented by `electron/host`. */
export interface HostedEngine extends EngineClient {
  /** What the machine was made from, once there was one. */
  readonly present: Params<'machine.create'> | undefined;
  close(): Promise<void>;
}

export class EngineLink {
  readonly #started: Promise<HostedEngine>;

  /** Starts the engine at once: it is up by the time the page has been loaded. */
  constructor(start: () => Promise<HostedEngine>, send: (event: EngineEvent) => void) {
    this.#started = start();
    this.#started.then(
      (engine) => engine.onEvent(withoutBeats(send)),
      (error: unknown) => send({ kind: 'crashed', message: startFailure(error), lastTrace: [] }),
    );
  }

  async request<K extends RequestName>(name: K, params: Params<K>): Promise<Answer<K>> {
    let engine: HostedEngine;
    try {
      engine = await this.#started;
    } catch (error) {
      return refusal('engine-crashed', startFailure(error));
    }
    return engine.request(name, params);
  }

  async present(): Promise<PresentMachine | undefined> {
    const present = (await this.#started.catch(() => undefined))?.present;
    if (present === undefined) return undefined;
    const { image, name, options } = present;
    return { image: { name, bytes: image }, options };
  }

  /** For somebody else in this process who wants to hear of it. */
  onEvent(listener: (event: EngineEvent) => void): void {
    this.#started.then(
      (engine) => engine.onEvent(listener),
      () => undefined,
    );
  }

  async close(): Promise<void> {
    const engine = await this.#started.catch(() => undefined);
    await engine?.close();
  }
}

/** A running machine tells how it is thirty times a second; the page asks when it has a frame to show it in. */
export function withoutBeats(send: (event: EngineEvent) => void): (event: EngineEvent) => void {
  let wasRunning = false;
  return (event) => {
    const isRunning = event.kind === 'status' && event.status.state === 'running';
    if (!(isRunning && wasRunning)) send(event);
    if (event.kind !== 'serial' && event.kind !== 'log') wasRunning = isRunning;
  };
}

export function refusal(code: RequestError['code'], message: string): { ok: false; error: RequestError } {
  return { ok: false, error: { code, message, memslot: undefined } };
}

function startFailure(error: unknown): string {
  return `the engine did not start: ${error instanceof Error ? error.message : String(error)}`;
}
