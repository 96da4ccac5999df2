/**
 * The virtualizer of a long run of lines, told of sizes by the browser. To ask an element that is being made for its size, or to
 * scroll it to where it stands, as the library does by itself, lays out a window that is not complete.
 */
import { elementScroll, useVirtualizer } from '@tanstack/vue-virtual';
import type { Rect, Virtualizer } from '@tanstack/vue-virtual';
import { computed } from 'vue';
import type { Ref } from 'vue';

type LineVirtualizer = Virtualizer<HTMLElement, Element>;

/** Lines ready above and below what is seen. */
const MORE = 12;

/**
 * @param count of lines
 * @param height of each, in pixels
 */
export const useLineVirtualizer = (
  scroller: Readonly<Ref<HTMLElement | null>>,
  count: Readonly<Ref<number>>,
  height: number,
) =>
  useVirtualizer<HTMLElement, Element>(
    computed(() => ({
      count: count.value,
      getScrollElement: () => scroller.value,
      estimateSize: () => height,
      overscan: MORE,
      observeElementRect: tellSize,
      // Of no use when it is wrong, and no harm: the size comes with the first layout, before that is painted.
      initialRect: { width: 0, height: window.innerHeight / 2 },
      scrollToFn: (offset: number, how: Parameters<typeof elementScroll>[1], instance: LineVirtualizer) => {
        if (offset !== (instance.scrollOffset ?? 0)) elementScroll(offset, how, instance);
      },
    })),
  );

function tellSize({ scrollElement }: LineVirtualizer, tell: (size: Rect) => void): () => void {
  const observer = new ResizeObserver(([{ contentRect }]) =>
    tell({ width: Math.round(contentRect.width), height: Math.round(contentRect.height) }),
  );
  if (scrollElement) observer.observe(scrollElement);
  return () => observer.disconnect();
}
