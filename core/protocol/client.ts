/** The face of the engine as every client sees it: the renderer through the preload, the command line and tests directly. */
import type { EngineEvent } from './events.ts';
import type { Answer, Params, RequestName } from './requests.ts';

export interface EngineClient {
  request<K extends RequestName>(name: K, params: Params<K>): Promise<Answer<K>>;
  /** @returns unsubscribe */
  onEvent(listener: (event: EngineEvent) => void): () => void;
}
