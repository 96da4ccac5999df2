/** Fresh stores over a scripted engine. */
import { createPinia, setActivePinia } from 'pinia';
import { useDesktopStore } from '../../../renderer/src/stores/desktop-store.ts';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import { FakeEngine } from './fake-engine.ts';

export async function startStores(): Promise<FakeEngine> {
  setActivePinia(createPinia());
  const engine = new FakeEngine();
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  desktop.connect(engine);
  desktop.onEvent(machine.handleEvent);
  await machine.loadStartup();
  return engine;
}
