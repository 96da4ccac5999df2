/** What is drawn on the map: boxes in pixels, at least wide enough to be seen. */
import type { MemslotsSnapshot, UserMemoryRegion } from '@core/protocol/index.ts';
import { formatAddress } from '@core/format/address-text.ts';
import { formatSize } from '@core/format/quantity.ts';
import { positionOf } from './map-viewport.ts';
import type { MapViewport } from './map-viewport.ts';

export interface MapBox {
  readonly key: string;
  readonly kind: 'slot' | 'device' | 'draft' | 'drawn';
  readonly x: number;
  readonly width: number;
  readonly label: string;
  readonly title: string;
  readonly isReadonly: boolean;
  readonly isColliding: boolean;
  /** Drawn wider than it is, because it would not be seen otherwise. */
  readonly isTick: boolean;
}

export interface MapOverlay {
  readonly draft: UserMemoryRegion | undefined;
  readonly drawn: { readonly from: bigint; readonly to: bigint } | undefined;
  readonly colliding: number | undefined;
}

const MIN_WIDTH = 4;

interface Extent {
  readonly gpa: bigint;
  readonly size: bigint;
}

const rangeText = ({ gpa, size }: Extent): string =>
  `${formatAddress(gpa)} – ${formatAddress(gpa + size - 1n)} (${formatSize(size)})`;

export function mapBoxes(
  { slots, devices }: MemslotsSnapshot,
  viewport: MapViewport,
  width: number,
  overlay: MapOverlay,
): readonly MapBox[] {
  const box = (extent: Extent, rest: Pick<MapBox, 'key' | 'kind' | 'label'> & Partial<MapBox>): MapBox[] => {
    const left = positionOf(viewport, extent.gpa, width);
    const right = positionOf(viewport, extent.gpa + extent.size, width);
    if (right < 0 || left > width) return [];
    const x = Math.max(-1, left);
    const exact = Math.min(width + 1, right) - x;
    return [
      {
        x,
        width: Math.max(MIN_WIDTH, exact),
        title: `${rest.label}: ${rangeText(extent)}`,
        isReadonly: false,
        isColliding: false,
        isTick: exact < MIN_WIDTH,
        ...rest,
      },
    ];
  };
  const { draft, drawn } = overlay;
  return [
    ...slots.flatMap((slot) =>
      box(slot, {
        key: `slot ${slot.id}`,
        kind: 'slot',
        label: `slot ${slot.id}`,
        isReadonly: slot.readonly,
        isColliding: slot.id === overlay.colliding,
      }),
    ),
    ...devices.flatMap((device) => box(device, { key: `device ${device.name}`, kind: 'device', label: device.name })),
    ...(draft && draft.memorySize > 0n
      ? box(
          { gpa: draft.guestPhysAddr, size: draft.memorySize },
          { key: 'draft', kind: 'draft', label: `slot ${draft.slot}, not applied` },
        )
      : []),
    ...(drawn
      ? box({ gpa: drawn.from, size: drawn.to - drawn.from }, { key: 'drawn', kind: 'drawn', label: 'new slot' })
      : []),
  ];
}
