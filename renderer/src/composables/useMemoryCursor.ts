/** The cursor and the selection of a view of memory, by keys and by the mouse: the same over bytes and over values. */
import { onScopeDispose, watch } from 'vue';
import type { Ref } from 'vue';
import { useMemorySelectionStore } from '../stores/memory-selection-store.ts';
import { useMemoryStore } from '../stores/memory-store.ts';

/** While a selection is drawn beyond the edge the view goes on by a row so often. */
const SCROLL_MS = 50;

export interface MemoryCursor {
  /** @returns whether the key was one of ours */
  onKey(event: KeyboardEvent): Promise<boolean>;
  onPointerDown(event: PointerEvent): void;
  moveBy(values: number, isExtending?: boolean): Promise<void>;
  /** Before a menu opens: it is about what is selected there, else about the value under the pointer. */
  aimAt(address: bigint): void;
}

/**
 * @param unit bytes of a value
 * @param grid the element whose cells have `data-at`, their distance from the first byte in sight
 */
export function useMemoryCursor(id: string, unit: () => number, grid: Readonly<Ref<HTMLElement | null>>): MemoryCursor {
  const store = useMemoryStore(id);
  const selection = useMemorySelectionStore(id);
  let drag: { x: number; y: number } | undefined;
  let scrolling: ReturnType<typeof setInterval> | undefined;

  watch(
    unit,
    (bytes) => {
      selection.unit = BigInt(bytes);
      // A value begins where the view has it begin.
      const { range } = selection;
      if (range) selection.select(range.space, range.first - (range.first % BigInt(bytes)));
    },
    { immediate: true },
  );
  // The same number is another place there.
  watch(
    () => store.shownSpace,
    (shown) => {
      if (selection.range?.space !== shown) selection.clear();
    },
  );

  async function moveTo(address: bigint, isExtending: boolean): Promise<void> {
    if (isExtending) selection.extendTo(address);
    else selection.select(store.shownSpace, address);
    const at = selection.cursor ?? address;
    const last = store.address + BigInt(store.columns * (store.visibleRows - 1));
    if (at < store.address) await store.scrollRows(-Math.ceil(Number(store.address - at) / store.columns));
    else if (at >= last) await store.scrollRows(Math.floor(Number(at - last) / store.columns) + 1);
  }

  async function moveBy(values: number, isExtending = false): Promise<void> {
    const here = selection.cursor ?? store.address;
    const next = here + BigInt(values * unit());
    if (next >= 0n || isExtending) await moveTo(next, isExtending);
  }

  /** To the first value of its row, or to the last. */
  async function moveInRow(isToEnd: boolean, isExtending: boolean): Promise<void> {
    const here = selection.cursor ?? store.address;
    const first = here - ((here - (store.address % BigInt(store.columns))) % BigInt(store.columns));
    await moveTo(isToEnd ? first + BigInt(store.columns - unit()) : first, isExtending);
  }

  function selectAllInSight(): void {
    selection.select(store.shownSpace, store.address);
    selection.extendTo(store.address + BigInt(store.columns * store.visibleRows - unit()));
  }

  async function onKey(event: KeyboardEvent): Promise<boolean> {
    const { key, ctrlKey, shiftKey, altKey, metaKey } = event;
    if (altKey || metaKey) return false;
    if (ctrlKey) {
      if (key.toLowerCase() === 'c' && selection.range !== undefined) void selection.copy('hex');
      else if (key.toLowerCase() === 'a') selectAllInSight();
      else return false;
      event.preventDefault();
      return true;
    }
    const inRow = store.columns / unit();
    const moves: Readonly<Record<string, number>> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -inRow,
      ArrowDown: inRow,
      PageUp: -inRow * store.visibleRows,
      PageDown: inRow * store.visibleRows,
    };
    const distance = moves[key];
    if (distance === undefined && key !== 'Home' && key !== 'End') {
      if (key !== 'Escape' || !selection.isOfSeveral) return false;
      event.stopPropagation();
      selection.collapse();
      return true;
    }
    event.preventDefault();
    if (distance === undefined) await moveInRow(key === 'End', shiftKey);
    else await moveBy(distance, shiftKey);
    return true;
  }

  /** The value at a place of the window; undefined where there is none. */
  function addressAt(x: number, y: number): bigint | undefined {
    const cell = document.elementFromPoint(x, y)?.closest<HTMLElement>('[data-at]');
    if (!cell || !grid.value?.contains(cell)) return undefined;
    return store.address + BigInt(cell.dataset['at'] ?? 0);
  }

  function onPointerDown(event: PointerEvent): void {
    const address = event.button === 0 ? addressAt(event.clientX, event.clientY) : undefined;
    if (address === undefined) return;
    if (event.shiftKey) selection.extendTo(address);
    else selection.select(store.shownSpace, address);
    drag = { x: event.clientX, y: event.clientY };
  }

  function onPointerMove({ clientX: x, clientY: y, buttons }: PointerEvent): void {
    if (drag === undefined) return;
    if ((buttons & 1) === 0) {
      endDrag();
      return;
    }
    if (Math.abs(x - drag.x) + Math.abs(y - drag.y) < 4 && !selection.isOfSeveral) return;
    const { top = 0, bottom = 0 } = grid.value?.getBoundingClientRect() ?? {};
    const address = addressAt(x, y);
    if (address !== undefined) selection.extendTo(address);
    scroll(y < top ? -1 : y > bottom ? 1 : 0);
  }

  function scroll(rows: -1 | 0 | 1): void {
    clearInterval(scrolling);
    if (rows === 0) return;
    scrolling = setInterval(() => void moveBy((rows * store.columns) / unit(), true), SCROLL_MS);
  }

  function endDrag(): void {
    drag = undefined;
    clearInterval(scrolling);
  }

  // Over the whole window: the pointer leaves the view while the button is down.
  window.addEventListener('pointermove', onPointerMove);
  window.addEventListener('pointerup', endDrag);
  onScopeDispose(() => {
    endDrag();
    window.removeEventListener('pointermove', onPointerMove);
    window.removeEventListener('pointerup', endDrag);
  });

  return {
    onKey,
    onPointerDown,
    moveBy,
    aimAt: (address) => {
      if (!selection.contains(address)) selection.select(store.shownSpace, address);
    },
  };
}
