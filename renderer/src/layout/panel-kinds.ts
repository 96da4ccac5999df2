/** The kinds of panels: what each is called, the key that shows it, and whether there may be several. The names are part of saved layouts. */
export interface PanelDescription {
  readonly title: string;
  /** As `keyOf` writes it. */
  readonly key: string;
  /** A panel with a place of its own: several can stand at several places. */
  readonly hasPlace: boolean;
}

/** A new kind is one line here and one in `panel-registry.ts`. */
export const PANELS_BY_KIND = {
  disassembly: { title: 'Disassembly', key: 'Alt+1', hasPlace: true },
  registers: { title: 'Registers', key: 'Alt+2', hasPlace: false },
  memory: { title: 'Memory', key: 'Alt+3', hasPlace: true },
  memslots: { title: 'Memslots', key: 'Alt+4', hasPlace: false },
  sptes: { title: 'Spte inspector', key: 'Alt+5', hasPlace: true },
  mmio: { title: 'MMIO faults', key: 'Alt+6', hasPlace: false },
  breakpoints: { title: 'Breakpoints', key: 'Alt+7', hasPlace: false },
  generation: { title: 'Generation', key: 'Alt+8', hasPlace: false },
  serial: { title: 'Serial', key: 'Alt+9', hasPlace: false },
  statistics: { title: 'Statistics', key: 'Alt+0', hasPlace: false },
  walk: { title: 'Walk', key: 'Alt+W', hasPlace: true },
  trace: { title: 'Trace', key: 'Alt+T', hasPlace: false },
  console: { title: 'Console', key: 'Alt+C', hasPlace: false },
  start: { title: 'Start', key: 'Alt+H', hasPlace: false },
  screen: { title: 'Screen', key: 'Alt+S', hasPlace: false },
  devices: { title: 'Devices', key: 'Alt+D', hasPlace: false },
} as const satisfies Readonly<Record<string, PanelDescription>>;

export type PanelKind = keyof typeof PANELS_BY_KIND;

const isKind = (text: string): text is PanelKind => Object.hasOwn(PANELS_BY_KIND, text);

export const PANEL_KINDS: readonly PanelKind[] = Object.keys(PANELS_BY_KIND).filter(isKind);

/** One panel of the dock: `memory` is the first of its kind, `memory-2` the second. */
export interface PanelName {
  readonly kind: PanelKind;
  readonly number: number;
}

/** @returns undefined for what names no panel that can exist */
export function parsePanelId(id: string): PanelName | undefined {
  const match = /^([a-z]+)(?:-([2-9]|[1-9][0-9]))?$/.exec(id);
  const kind = match?.[1];
  if (kind === undefined || !isKind(kind)) return undefined;
  const number = Number(match?.[2] ?? 1);
  return number > 1 && !PANELS_BY_KIND[kind].hasPlace ? undefined : { kind, number };
}

export const panelId = (kind: PanelKind, number: number): string => (number === 1 ? kind : `${kind}-${number}`);

/** `Memory`, `Memory 2`. */
export function panelTitle(id: string): string {
  const name = parsePanelId(id);
  if (name === undefined) return id;
  const { title } = PANELS_BY_KIND[name.kind];
  return name.number === 1 ? title : `${title} ${name.number}`;
}
