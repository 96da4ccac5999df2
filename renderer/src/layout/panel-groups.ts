/** Groups of panels as they lie on screen: which is the neighbour in a direction, and moving a panel there by key. */
import type { DockviewApi, IDockviewPanel } from 'dockview-vue';

export const DIRECTIONS = ['left', 'right', 'up', 'down'] as const;
export type Direction = (typeof DIRECTIONS)[number];

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** How far `other` lies from `here` in a direction; undefined when it does not lie there, or is not seen from here. */
export function distanceTo(here: Box, other: Box, direction: Direction): number | undefined {
  const isBeside = other.top < here.bottom && other.bottom > here.top;
  const isAbove = other.left < here.right && other.right > here.left;
  const distance = {
    left: here.left - other.right,
    right: other.left - here.right,
    up: here.top - other.bottom,
    down: other.top - here.bottom,
  }[direction];
  const isSeen = direction === 'left' || direction === 'right' ? isBeside : isAbove;
  // Neighbours touch; a pixel of rounding is no overlap.
  return isSeen && distance >= -2 ? distance : undefined;
}

/** Index of the nearest box in a direction. */
export function nearest(here: Box, others: readonly Box[], direction: Direction): number | undefined {
  const found = others
    .map((box, index) => ({ index, distance: distanceTo(here, box, direction) }))
    .filter((one): one is { index: number; distance: number } => one.distance !== undefined)
    .toSorted((a, b) => a.distance - b.distance);
  return found.at(0)?.index;
}

const SIDE = { left: 'left', right: 'right', up: 'top', down: 'bottom' } as const;

/** Into the neighbouring group; where there is none, a group of its own on that side. */
export function movePanel(api: DockviewApi, panel: IDockviewPanel, direction: Direction): void {
  const others = api.groups.filter((group) => group !== panel.group);
  const index = nearest(
    panel.group.element.getBoundingClientRect(),
    others.map(({ element }) => element.getBoundingClientRect()),
    direction,
  );
  if (index !== undefined) panel.api.moveTo({ group: others[index], position: 'center' });
  else if (panel.group.panels.length > 1) panel.api.moveTo({ group: panel.group, position: SIDE[direction] });
}

/** The panel in front of the next group, in the order of the groups; the keyboard goes through them with one key. */
export function nextGroupPanel(api: DockviewApi, distance: number): IDockviewPanel | undefined {
  const { groups } = api;
  const here = groups.findIndex((group) => group === api.activeGroup);
  return groups.at((here + distance + groups.length) % groups.length)?.activePanel;
}

/** The next panel of the same group. */
export function nextTab(api: DockviewApi, distance: number): IDockviewPanel | undefined {
  const group = api.activeGroup;
  const here = group?.panels.findIndex((panel) => panel === group.activePanel) ?? 0;
  return group?.panels.at((here + distance + group.panels.length) % group.panels.length);
}

/** Of the dock what each group has now. @returns gives it back to them, at whatever size the dock is then */
export function sharesOf(api: DockviewApi): () => void {
  const { width, height } = api;
  const shares = api.groups.map((group) => ({ group, width: group.width / width, height: group.height / height }));
  return () => {
    for (const share of shares.filter(({ group }) => api.groups.includes(group))) {
      share.group.api.setSize({ width: share.width * api.width, height: share.height * api.height });
    }
  };
}
