/** What is drawn on the map: boxes in pixels, at least wide enough to be seen. */
import type { MemslotSnapshot, MemslotsSnapshot } from '@core/protocol/index.ts';
import { formatAddress } from '@core/format/address-text.ts';
import { formatSize } from '@core/format/quantity.ts';
import { positionOf } from './map-viewport.ts';
import type { MapExtent, MapViewport } from './map-viewport.ts';
import { shapeOf } from './staged-changes.ts';
import type { StagedChange } from './staged-changes.ts';

export interface MapBox {
  readonly key: string;
  /** `ghost`: what a staged change makes of a slot; `drawn`: what is being drawn or dragged. */
  readonly kind: 'slot' | 'device' | 'ghost' | 'drawn';
  /** −1 for what is no slot. */
  readonly slot: number;
  readonly x: number;
  readonly width: number;
  readonly label: string;
  readonly title: string;
  readonly isReadonly: boolean;
  readonly isColliding: boolean;
  readonly isSelected: boolean;
  /** A staged change deletes it, moves it, or makes it anew. */
  readonly isLeaving: boolean;
  /** Drawn wider than it is, because it would not be seen otherwise. */
  readonly isTick: boolean;
}

export interface MapOverlay {
  readonly plan: readonly StagedChange[];
  readonly drawn: (MapExtent & { readonly slot: number }) | undefined;
  readonly colliding: number | undefined;
  readonly selected: number | undefined;
}

const MIN_WIDTH = 4;

const rangeText = ({ gpa, size }: MapExtent): string =>
  `${formatAddress(gpa)} – ${formatAddress(gpa + size - 1n)} (${formatSize(size)})`;

export function mapBoxes(
  { slots, devices }: MemslotsSnapshot,
  viewport: MapViewport,
  width: number,
  { plan, drawn, colliding, selected }: MapOverlay,
): readonly MapBox[] {
  const box = (extent: MapExtent, rest: Pick<MapBox, 'key' | 'kind' | 'label'> & Partial<MapBox>): MapBox[] => {
    const left = positionOf(viewport, extent.gpa, width);
    const right = positionOf(viewport, extent.gpa + extent.size, width);
    if (right < 0 || left > width) return [];
    const x = Math.max(-1, left);
    const exact = Math.min(width + 1, right) - x;
    const { slot = -1 } = rest;
    return [
      {
        slot,
        x,
        width: Math.max(MIN_WIDTH, exact),
        title: `${rest.label}: ${rangeText(extent)}`,
        isReadonly: false,
        isColliding: slot >= 0 && slot === colliding,
        isSelected: slot >= 0 && slot === selected,
        isLeaving: false,
        isTick: exact < MIN_WIDTH,
        ...rest,
      },
    ];
  };
  const leaves = ({ id }: MemslotSnapshot): boolean => {
    const change = plan.find(({ slot }) => slot === id);
    return change !== undefined && ['delete', 'move', 'replace'].includes(shapeOf(change, slots));
  };
  return [
    ...slots.flatMap((slot) =>
      box(slot, {
        key: `slot ${slot.id}`,
        kind: 'slot',
        slot: slot.id,
        label: `slot ${slot.id}`,
        isReadonly: slot.readonly,
        isLeaving: leaves(slot),
      }),
    ),
    ...devices.flatMap((device) => box(device, { key: `device ${device.name}`, kind: 'device', label: device.name })),
    ...plan.flatMap(({ slot, target }) =>
      target.memorySize === 0n
        ? []
        : box(
            { gpa: target.guestPhysAddr, size: target.memorySize },
            { key: `ghost ${slot}`, kind: 'ghost', slot, label: `slot ${slot}, not applied` },
          ),
    ),
    ...(drawn
      ? box(drawn, { key: 'drawn', kind: 'drawn', label: drawn.slot < 0 ? 'new slot' : `slot ${drawn.slot}` })
      : []),
  ];
}
