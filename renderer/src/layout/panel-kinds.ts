/** Names of the panels. The keys are part of saved layouts. */
export const PANEL_TITLES = {
  disassembly: 'Disassembly',
  registers: 'Registers',
  memory: 'Memory',
  memslots: 'Memslots',
  sptes: 'Spte inspector',
  mmio: 'MMIO faults',
  breakpoints: 'Breakpoints',
  generation: 'Generation',
  serial: 'Serial',
  statistics: 'Statistics',
  walk: 'Walk',
  trace: 'Trace',
  screen: 'Screen',
} as const;

export type PanelKind = keyof typeof PANEL_TITLES;

export const PANEL_KINDS = Object.keys(PANEL_TITLES) as readonly PanelKind[];
