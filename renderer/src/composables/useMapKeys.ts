/** The map of guest physical memory by key: everything that the pointer can do. */
import type { MemslotsSnapshot } from '@core/protocol/index.ts';
import { formatAddress } from '@core/format/address-text.ts';
import { formatSize } from '@core/format/quantity.ts';
import { computed } from 'vue';
import { LARGE_PAGE, nudgeRange } from '../memory-map/slot-gesture.ts';
import { useFocusStore } from '../stores/focus-store.ts';
import { useMemslotsStore } from '../stores/memslots-store.ts';

interface MapMoves {
  readonly snapshot: () => MemslotsSnapshot;
  readonly select: (slot: number) => void;
  /** @returns whether a gesture of the pointer was under way */
  readonly cancel: () => boolean;
  readonly panBy: (part: number) => void;
}

export function useMapKeys({ snapshot, select, cancel, panBy }: MapMoves) {
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

  /** To the next slot by address, round and round. */
  function choose(distance: number): void {
    const ids = snapshot()
      .slots.toSorted((a, b) => (a.gpa < b.gpa ? -1 : 1))
      .map(({ id }) => id);
    if (ids.length === 0) return;
    const here = slot.value === undefined ? -1 : ids.indexOf(slot.value);
    const next = here < 0 ? (distance > 0 ? 0 : ids.length - 1) : (here + distance + ids.length) % ids.length;
    select(ids[next]);
    const target = store.targetOf(ids[next]);
    if (target) store.announcement = `slot ${ids[next]} at ${formatAddress(target.guestPhysAddr)}`;
  }

  async function enter(): Promise<void> {
    if (await store.stageDraft()) return;
    const target = slot.value === undefined ? undefined : store.targetOf(slot.value);
    if (target) await store.editTarget(target);
  }

  function onArrow(event: KeyboardEvent, steps: number): void {
    if (slot.value === undefined) panBy(0.2 * steps);
    else void nudge(steps, event.shiftKey, event.ctrlKey || event.metaKey ? LARGE_PAGE : 0x1000n);
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
