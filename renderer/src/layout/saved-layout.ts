/** A layout as it is kept: the dock's own picture of it, and what each panel keeps for itself. Whatever is stored is hostile until read here. */
import type { SerializedDockview } from 'dockview-vue';
import * as v from 'valibot';
import type { SavedPanel } from '../stores/panels-store.ts';
import { parsePanelId } from './panel-kinds.ts';

export const LAYOUT_VERSION = 2;

export interface SavedLayout {
  readonly version: typeof LAYOUT_VERSION;
  readonly layout: SerializedDockview;
  readonly panels: Readonly<Record<string, SavedPanel>>;
}

const MAX_PANELS = 64;
const panelIdSchema = v.pipe(
  v.string(),
  v.check((id) => parsePanelId(id) !== undefined, 'no such panel'),
);
const stateSchema = v.record(
  v.pipe(v.string(), v.maxLength(32)),
  v.union([v.pipe(v.string(), v.maxLength(1024)), v.pipe(v.number(), v.finite()), v.boolean()]),
);

/** The grid is the dock's own; it is tried, and given up where the dock refuses it. */
const schema = v.strictObject({
  version: v.literal(LAYOUT_VERSION),
  layout: v.looseObject({
    grid: v.looseObject({}),
    panels: v.pipe(
      v.record(
        panelIdSchema,
        v.looseObject({
          id: v.string(),
          contentComponent: v.literal('DockPanel'),
          tabComponent: v.optional(v.literal('DockTab')),
        }),
      ),
      v.check((panels) => Object.entries(panels).every(([id, panel]) => panel.id === id), 'panels under their ids'),
      v.check((panels) => Object.keys(panels).length <= MAX_PANELS, 'too many panels'),
    ),
  }),
  panels: v.pipe(
    v.record(panelIdSchema, v.strictObject({ isLocked: v.boolean(), state: stateSchema })),
    v.check((panels) => Object.keys(panels).length <= MAX_PANELS, 'too many panels'),
  ),
});

/** @returns undefined for anything but a layout of this version whose panels can all exist */
export function readSavedLayout(saved: unknown): SavedLayout | undefined {
  const parsed = v.safeParse(schema, saved);
  // What the schema leaves open, the dock itself refuses when it is given it.
  return parsed.success ? (parsed.output as unknown as SavedLayout) : undefined;
}

/** @returns undefined also for what is no JSON */
export function parseSavedLayout(text: string | null): SavedLayout | undefined {
  if (text === null) return undefined;
  try {
    return readSavedLayout(JSON.parse(text));
  } catch {
    return undefined;
  }
}
