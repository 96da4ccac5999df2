/** The pointer on the map of guest physical memory: drawing, dragging and resizing slots, moving what is shown. */
import type { MemslotsSnapshot } from '@core/protocol/index.ts';
import { computed, onScopeDispose, ref, shallowRef } from 'vue';
import type { Ref, ShallowRef } from 'vue';
import { addressAt, pan } from '../memory-map/map-viewport.ts';
import type { MapViewport } from '../memory-map/map-viewport.ts';
import { dragRange, graspAt, snapStep } from '../memory-map/slot-gesture.ts';
import type { Graspable, Grip, SlotRange } from '../memory-map/slot-gesture.ts';
import { useFocusStore } from '../stores/focus-store.ts';
import { useMemslotsStore } from '../stores/memslots-store.ts';

interface MapFrame {
  readonly element: Readonly<Ref<HTMLElement | null>>;
  readonly width: Readonly<Ref<number>>;
  readonly viewport: ShallowRef<MapViewport>;
  readonly snapshot: () => MemslotsSnapshot;
  /** What can be taken hold of, in the order of drawing. */
  readonly graspable: () => readonly Graspable[];
}

type Gesture =
  | { readonly kind: 'pan'; x: number }
  | { readonly kind: 'draw'; readonly x: number; readonly from: bigint }
  | {
      readonly kind: 'drag';
      readonly x: number;
      readonly from: bigint;
      readonly slot: number;
      readonly grip: Grip;
      readonly range: SlotRange;
    };

/** A click is no drag. */
const SLACK = 4;
/** The lane of the slots; what is below belongs to devices and sptes. */
const SLOT_LANE_END = 46;
const PAGE = 0x1000n;
const pageStart = (address: bigint): bigint => address - (address % PAGE);

const CURSORS = { move: 'grab', start: 'ew-resize', end: 'ew-resize' } as const;

export function useMapPointer({ element, width, viewport, snapshot, graspable }: MapFrame) {
  const store = useMemslotsStore();
  const focus = useFocusStore();
  const drawn = shallowRef<SlotRange & { readonly slot: number }>();
  const hover = ref<string>('crosshair');
  let gesture: Gesture | undefined;

  const boxOf = (): DOMRect | undefined => element.value?.getBoundingClientRect();
  const xOf = (event: MouseEvent): number => event.clientX - (boxOf()?.left ?? 0);
  const gpaAt = (event: MouseEvent): bigint => addressAt(viewport.value, xOf(event), width.value);
  const graspOf = (event: MouseEvent) =>
    event.clientY - (boxOf()?.top ?? 0) <= SLOT_LANE_END ? graspAt(graspable(), xOf(event)) : undefined;

  function onPointerDown(event: PointerEvent): void {
    if (event.button > 1) return;
    element.value?.setPointerCapture(event.pointerId);
    if (event.button === 1 || event.shiftKey) {
      gesture = { kind: 'pan', x: event.clientX };
      return;
    }
    const from = gpaAt(event);
    const grasp = graspOf(event);
    const target = grasp && store.targetOf(grasp.slot);
    gesture =
      grasp && target && target.memorySize > 0n
        ? {
            kind: 'drag',
            x: event.clientX,
            from,
            ...grasp,
            range: { gpa: target.guestPhysAddr, size: target.memorySize },
          }
        : { kind: 'draw', x: event.clientX, from };
  }

  function onPointerMove(event: PointerEvent): void {
    if (gesture === undefined) {
      const grasp = graspOf(event);
      hover.value = grasp ? CURSORS[grasp.grip] : 'crosshair';
      return;
    }
    if (gesture.kind === 'pan') {
      viewport.value = pan(viewport.value, gesture.x - event.clientX, width.value);
      gesture.x = event.clientX;
      return;
    }
    if (drawn.value === undefined && Math.abs(event.clientX - gesture.x) <= SLACK) return;
    const here = gpaAt(event);
    const step = event.altKey ? PAGE : snapStep(viewport.value, width.value);
    if (gesture.kind === 'drag') {
      const range = dragRange(gesture.range, gesture.grip, here - gesture.from, step);
      drawn.value = { ...range, slot: gesture.slot };
    } else {
      const [low, high] = here < gesture.from ? [here, gesture.from] : [gesture.from, here];
      const start = low - (low % step);
      drawn.value = { gpa: start, size: ((high - start) / step + 1n) * step, slot: -1 };
    }
  }

  function onPointerUp(event: PointerEvent): void {
    const done = drawn.value;
    const last = gesture;
    drawn.value = undefined;
    gesture = undefined;
    if (last === undefined || last.kind === 'pan') return;
    if (done === undefined) {
      if (last.kind === 'drag') select(last.slot);
      else focus.show({ kind: 'address', space: 'gpa', address: pageStart(gpaAt(event)) });
    } else if (last.kind === 'draw') void store.createOver(done.gpa, done.size);
    else {
      const target = store.targetOf(last.slot);
      if (target) void store.stageTarget({ ...target, guestPhysAddr: done.gpa, memorySize: done.size });
      select(last.slot, done);
    }
  }

  function select(slot: number, at?: SlotRange): void {
    const present = snapshot().slots.find(({ id }) => id === slot);
    const target = store.targetOf(slot);
    const range = at ?? present ?? (target && { gpa: target.guestPhysAddr, size: target.memorySize });
    if (range) focus.show({ kind: 'slot', slot, gpa: range.gpa, size: range.size });
  }

  /** @returns whether there was anything to leave off */
  function cancel(): boolean {
    const wasBusy = gesture !== undefined;
    gesture = undefined;
    drawn.value = undefined;
    return wasBusy;
  }

  onScopeDispose(cancel);
  const cursor = computed(() => (drawn.value && drawn.value.slot >= 0 ? 'grabbing' : hover.value));
  return { drawn, cursor, gpaAt, select, cancel, onPointerDown, onPointerMove, onPointerUp };
}
