/** Fresh stores over a scripted engine. */
import type { UmbraDesktop } from '@core/protocol/index.ts';
import { createPinia, setActivePinia } from 'pinia';
import { useDesktopStore } from '../../../renderer/src/stores/desktop-store.ts';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import { FakeEngine } from './fake-engine.ts';

export async function startStores(
  reach: (engine: FakeEngine) => UmbraDesktop = (engine) => engine,
): Promise<FakeEngine> {
  setActivePinia(createPinia());
  const engine = new FakeEngine();
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  desktop.connect(reach(engine));
  desktop.onEvent(machine.handleEvent);
  await machine.loadStartup();
  return engine;
}
