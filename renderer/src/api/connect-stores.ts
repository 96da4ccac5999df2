/** Connects the stores with the host: events in, the first machine loaded. */
import type { UmbraDesktop } from '@core/protocol/index.ts';
import { PROTOCOL_VERSION } from '@core/protocol/index.ts';
import type { Pinia } from 'pinia';
import { watch } from 'vue';
import { menusOf } from '../commands/menus.ts';
import { announceRest, windowAtRest } from './window-rest.ts';
import { readOtherPanels } from '../layout/panel-registry.ts';
import { useBreakpointsStore } from '../stores/breakpoints-store.ts';
import { useCommandsStore } from '../stores/commands-store.ts';
import { useDesktopStore } from '../stores/desktop-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import { useMmioStore } from '../stores/mmio-store.ts';
import { useNoticesStore } from '../stores/notices-store.ts';
import { useSerialStore } from '../stores/serial-store.ts';
import { useSessionStore } from '../stores/session-store.ts';
import { useThemeStore } from '../stores/theme-store.ts';
import { useTraceStore } from '../stores/trace-store.ts';

/** @returns when it is known how the machine is: a page that is drawn then is drawn once */
export function connectStores(pinia: Pinia, host: UmbraDesktop): Promise<void> {
  const desktop = useDesktopStore(pinia);
  const machine = useMachineStore(pinia);
  const serial = useSerialStore(pinia);
  const mmio = useMmioStore(pinia);
  const trace = useTraceStore(pinia);
  const commands = useCommandsStore(pinia);
  desktop.connect(host);
  desktop.onEvent((event) => {
    machine.handleEvent(event);
    serial.handleEvent(event);
  });
  desktop.onMenu((command) => {
    if (command === 'file.startup') void useSessionStore(pinia).openStartup();
    else commands.execute(command.command);
  });
  // A new machine, or the same from its start, has sent nothing yet.
  watch(
    () => machine.loads,
    () => {
      serial.clear();
      mmio.clear();
      void trace.restart();
    },
  );
  // As text: a running guest changes what the menus are made from far more often than the menus.
  watch(
    () => JSON.stringify(menusOf(commands.commands)),
    () => void desktop.setMenu(menusOf(commands.commands)),
    { immediate: true },
  );
  void useThemeStore(pinia).load();
  return greet(pinia);
}

async function greet(pinia: Pinia): Promise<void> {
  const desktop = useDesktopStore(pinia);
  const greeting = desktop.call('engine.hello', { version: PROTOCOL_VERSION });
  const resumed = useMachineStore(pinia).resume();
  const answer = await greeting;
  if (!answer.ok) useNoticesStore(pinia).addError(answer.error);
  void resumed.then(() => begin(pinia));
}

/** What has time until the machine is on screen. */
async function begin(pinia: Pinia): Promise<void> {
  announceRest();
  await windowAtRest();
  await Promise.all([useDesktopStore(pinia).loadGuestNames(), useBreakpointsStore(pinia).refresh()]);
  await useSessionStore(pinia).begin();
  await readOtherPanels();
}
