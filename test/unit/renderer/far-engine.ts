/** The scripted engine as a busy machine has it: what is asked is done at once, and heard of a few turns of the loop later. */
import type { Answer, EngineEvent, Params, RequestName, UmbraDesktop } from '@core/protocol/index.ts';
import type { FakeEngine } from './fake-engine.ts';

const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

export function farAway(engine: FakeEngine): UmbraDesktop {
  async function request<K extends RequestName>(name: K, params: Params<K>): Promise<Answer<K>> {
    const answer = await engine.request(name, params);
    await aWhile();
    return answer;
  }
  const onEvent = (listener: (event: EngineEvent) => void): (() => void) =>
    engine.onEvent((event) => void aWhile().then(() => listener(event)));
  const own: Partial<UmbraDesktop> = { request, onEvent };
  return new Proxy<UmbraDesktop>(engine, {
    get: (target, name) => Reflect.get(own, name) ?? Reflect.get(target, name),
  });
}
