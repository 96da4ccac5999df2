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
import type { Component } from 'vue';
import BreakpointsPanel from '../panels/BreakpointsPanel.vue';
import ConsolePanel from '../panels/ConsolePanel.vue';
import DevicesPanel from '../panels/DevicesPanel.vue';
import DisassemblyPanel from '../panels/DisassemblyPanel.vue';
import GenerationPanel from '../panels/GenerationPanel.vue';
import MemoryPanel from '../panels/MemoryPanel.vue';
import MemslotsPanel from '../panels/MemslotsPanel.vue';
import MmioFaultsPanel from '../panels/MmioFaultsPanel.vue';
import RegistersPanel from '../panels/RegistersPanel.vue';
import ScreenPanel from '../panels/ScreenPanel.vue';
import SerialPanel from '../panels/SerialPanel.vue';
import SptesPanel from '../panels/SptesPanel.vue';
import StartPanel from '../panels/StartPanel.vue';
import StatisticsPanel from '../panels/StatisticsPanel.vue';
import TracePanel from '../panels/TracePanel.vue';
import WalkPanel from '../panels/WalkPanel.vue';
import type { PanelKind } from './panel-kinds.ts';

export interface PanelEntry {
  readonly component: Component;
  readonly icon: Component;
}

export const PANELS: Readonly<Record<PanelKind, PanelEntry>> = {
  disassembly: { component: DisassemblyPanel, icon: ListTree },
  registers: { component: RegistersPanel, icon: Cpu },
  memory: { component: MemoryPanel, icon: Binary },
  memslots: { component: MemslotsPanel, icon: LayoutPanelTop },
  sptes: { component: SptesPanel, icon: Layers },
  mmio: { component: MmioFaultsPanel, icon: Zap },
  walk: { component: WalkPanel, icon: Split },
  breakpoints: { component: BreakpointsPanel, icon: CircleDot },
  generation: { component: GenerationPanel, icon: Gauge },
  serial: { component: SerialPanel, icon: SquareTerminal },
  start: { component: StartPanel, icon: House },
  screen: { component: ScreenPanel, icon: Monitor },
  devices: { component: DevicesPanel, icon: CircuitBoard },
  console: { component: ConsolePanel, icon: Terminal },
  trace: { component: TracePanel, icon: ScrollText },
  statistics: { component: StatisticsPanel, icon: Activity },
};
