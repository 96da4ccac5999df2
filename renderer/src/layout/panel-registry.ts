/** The panels there are, by the name that the saved layout knows them by. */
import {
  Activity,
  Binary,
  CircleDot,
  CircuitBoard,
  Cpu,
  Gauge,
  House,
  LayoutPanelTop,
  Layers,
  ListTree,
  Monitor,
  ScrollText,
  Split,
  SquareTerminal,
  Terminal,
  Zap,
} from '@lucide/vue';
import { defineAsyncComponent } from 'vue';
import type { Component } from 'vue';
import DisassemblyPanel from '../panels/DisassemblyPanel.vue';
import GenerationPanel from '../panels/GenerationPanel.vue';
import MemslotsPanel from '../panels/MemslotsPanel.vue';
import RegistersPanel from '../panels/RegistersPanel.vue';
import SptesPanel from '../panels/SptesPanel.vue';
import { windowAtRest } from '../api/window-rest.ts';
import type { PanelKind } from './panel-kinds.ts';

/**
 * Panels that a first window has behind others, or whose library it does not need to be of use: each is a file of its own, read
 * when the window has come to rest.
 */
const LATER = {
  breakpoints: () => import('../panels/BreakpointsPanel.vue'),
  console: () => import('../panels/ConsolePanel.vue'),
  devices: () => import('../panels/DevicesPanel.vue'),
  memory: () => import('../panels/MemoryPanel.vue'),
  mmio: () => import('../panels/MmioFaultsPanel.vue'),
  screen: () => import('../panels/ScreenPanel.vue'),
  serial: () => import('../panels/SerialPanel.vue'),
  start: () => import('../panels/StartPanel.vue'),
  statistics: () => import('../panels/StatisticsPanel.vue'),
  trace: () => import('../panels/TracePanel.vue'),
  walk: () => import('../panels/WalkPanel.vue'),
};

/** Reads the panels that nobody has opened yet, so that none is waited for. */
export async function readOtherPanels(): Promise<void> {
  for (const read of Object.values(LATER)) await read();
}

const later = (read: () => Promise<Component>): Component =>
  defineAsyncComponent(async () => {
    await windowAtRest();
    return read();
  });

export interface PanelEntry {
  readonly component: Component;
  readonly icon: Component;
}

export const PANELS: Readonly<Record<PanelKind, PanelEntry>> = {
  disassembly: { component: DisassemblyPanel, icon: ListTree },
  registers: { component: RegistersPanel, icon: Cpu },
  memory: { component: later(LATER.memory), icon: Binary },
  memslots: { component: MemslotsPanel, icon: LayoutPanelTop },
  sptes: { component: SptesPanel, icon: Layers },
  mmio: { component: later(LATER.mmio), icon: Zap },
  walk: { component: later(LATER.walk), icon: Split },
  breakpoints: { component: later(LATER.breakpoints), icon: CircleDot },
  generation: { component: GenerationPanel, icon: Gauge },
  serial: { component: later(LATER.serial), icon: SquareTerminal },
  start: { component: later(LATER.start), icon: House },
  screen: { component: later(LATER.screen), icon: Monitor },
  devices: { component: later(LATER.devices), icon: CircuitBoard },
  console: { component: later(LATER.console), icon: Terminal },
  trace: { component: later(LATER.trace), icon: ScrollText },
  statistics: { component: later(LATER.statistics), icon: Activity },
};
