/** The map of guest physical memory by key: everything that the pointer can do. */
import type { MemslotsSnapshot } from '@core/protocol/index.ts';
import { formatAddress } from '@core/format/address-text.ts';
import { formatSize } from '@core/format/quantity.ts';
import { computed } from 'vue';
import type { Ref } from 'vue';
import { largestHole } from '../memory-map/map-holes.ts';
import type { MapViewport } from '../memory-map/map-viewport.ts';
import { largeStep, nudgeRange } from '../memory-map/slot-gesture.ts';
import { gpaOfFocus, useFocusStore } from '../stores/focus-store.ts';
import { useMemslotsStore } from '../stores/memslots-store.ts';

interface MapMoves {
  readonly snapshot: () => MemslotsSnapshot;
  readonly select: (slot: number) => void;
  /** @returns whether a gesture of the pointer was under way */
  readonly cancel: () => boolean;
  readonly panBy: (part: number) => void;
  readonly viewport: Readonly<Ref<MapViewport>>;
}

export function useMapKeys({ snapshot, select, cancel, panBy, viewport }: MapMoves) {
  const store = useMemslotsStore();
  const focus = useFocusStore();
  /** The slot that the keys mean: the one that is edited, else the one that is looked at. */
  const slot = computed(() => store.region?.slot ?? (focus.focus?.kind === 'slot' ? focus.focus.slot : undefined));

  async function nudge(steps: number, isResize: boolean, step: bigint): Promise<void> {
    const target = slot.value === undefined ? undefined : store.targetOf(slot.value);
    if (target === undefined || target.memorySize === 0n) return;
    const range = nudgeRange({ gpa: target.guestPhysAddr, size: target.memorySize }, steps, isResize, step);
    await store.nudge({ ...target, guestPhysAddr: range.gpa, memorySize: range.size });
    store.announcement = `slot ${target.slot}: ${formatAddress(range.gpa)} + ${formatSize(range.size)}`;
  }

  interface Stop {
    readonly slot: number | undefined;
    readonly gpa: bigint;
    readonly title: string;
  }

  /** What is on the map by address: slots, those that are only staged, devices. */
  const stops = computed<readonly Stop[]>(() => {
    const { slots, devices } = snapshot();
    const ids = new Set([...slots.map(({ id }) => id), ...store.plan.map((change) => change.slot)]);
    const placed = [...ids].flatMap((id) => {
      const target = store.targetOf(id);
      return target === undefined ? [] : [{ slot: id, gpa: target.guestPhysAddr, title: `slot ${id}` }];
    });
    const others = devices.map(({ gpa, name }) => ({ slot: undefined, gpa, title: name }));
    return [...placed, ...others].toSorted((a, b) => (a.gpa < b.gpa ? -1 : 1));
  });

  /** To the next of them, round and round. */
  function choose(distance: number): void {
    const { length } = stops.value;
    if (length === 0) return;
    const gpa = gpaOfFocus(focus.focus);
    const here = stops.value.findIndex((stop) =>
      slot.value === undefined ? stop.slot === undefined && stop.gpa === gpa : stop.slot === slot.value,
    );
    const next = stops.value[here < 0 ? (distance > 0 ? 0 : length - 1) : (here + distance + length) % length];
    if (next.slot === undefined) focus.show({ kind: 'address', space: 'gpa', address: next.gpa });
    else select(next.slot);
    store.announcement = `${next.title} at ${formatAddress(next.gpa)}`;
  }

  /** Where somebody looks, if nothing is there, else in the middle of the widest hole in sight. */
  async function drawNew(): Promise<void> {
    const taken = stops.value.flatMap(({ slot: id, gpa }) => {
      if (id === undefined) return snapshot().devices.filter((device) => device.gpa === gpa);
      const target = store.targetOf(id);
      return target === undefined ? [] : [{ gpa, size: target.memorySize }];
    });
    const looked = gpaOfFocus(focus.focus);
    const isFree = looked !== undefined && !taken.some(({ gpa, size }) => looked >= gpa && looked < gpa + size);
    const isSeen = looked !== undefined && looked - viewport.value.start < viewport.value.length;
    if (isFree && isSeen && looked >= viewport.value.start) await store.createOver(looked);
    else {
      const step = largeStep(viewport.value);
      const hole = largestHole(taken, viewport.value);
      const middle = hole.gpa + hole.size / 2n;
      const size = hole.size >= 2n * step ? step : 0x1000n;
      await store.createOver(middle - (middle % size), size);
    }
    const { region } = store;
    if (region) {
      store.announcement = `new slot ${region.slot}: ${formatAddress(region.guestPhysAddr)} + ${formatSize(region.memorySize)}`;
    }
  }

  async function enter(): Promise<void> {
    if (await store.stageDraft()) return;
    const target = slot.value === undefined ? undefined : store.targetOf(slot.value);
    if (target) await store.editTarget(target);
  }

  function onArrow(event: KeyboardEvent, steps: number): void {
    if (slot.value === undefined) panBy(0.2 * steps);
    else void nudge(steps, event.shiftKey, event.ctrlKey || event.metaKey ? largeStep(viewport.value) : 0x1000n);
  }

  function onEscape(): void {
    if (cancel()) return;
    if (store.draft) void store.edit(undefined);
    else if (slot.value !== undefined && store.staged.some((one) => one.slot === slot.value)) {
      void store.unstage(slot.value);
    }
  }

  /** @returns whether the key means anything here */
  function handle(event: KeyboardEvent): boolean {
    if (event.altKey) return false;
    switch (event.key) {
      case 'ArrowLeft':
        onArrow(event, -1);
        return true;
      case 'ArrowRight':
        onArrow(event, 1);
        return true;
      case 'ArrowDown':
        choose(1);
        return true;
      case 'ArrowUp':
        choose(-1);
        return true;
      case 'Insert':
        void drawNew();
        return true;
      case 'PageUp':
        panBy(-0.5);
        return true;
      case 'PageDown':
        panBy(0.5);
        return true;
      case 'Enter':
        void enter();
        return true;
      case 'Escape':
        onEscape();
        return true;
      case 'Delete':
      case 'Backspace':
        if (slot.value !== undefined) void store.stageDeletion(slot.value);
        return true;
      default:
        return false;
    }
  }

  return { slot, handle };
}
