/** A panel behind another is not in the document, and comes back scrolled to its top: what was scrolled in it is put back. */
import { onScopeDispose, watch } from 'vue';
import type { Ref } from 'vue';

interface Place {
  readonly left: number;
  readonly top: number;
}

/** @returns to be called with each scroll event of the panel, captured */
export function useScrollMemory(isVisible: Readonly<Ref<boolean>>): (event: Event) => void {
  const places = new Map<Element, Place>();
  let frame = 0;

  function remember({ target }: Event): void {
    if (!isVisible.value || !(target instanceof Element)) return;
    // Lists come and go: what has gone must not be held on to.
    if (!places.has(target)) for (const old of places.keys()) if (!old.isConnected) places.delete(old);
    places.set(target, { left: target.scrollLeft, top: target.scrollTop });
  }

  function putBack(): void {
    for (const [element, place] of places) element.scrollTo({ ...place, behavior: 'instant' });
  }

  watch(
    isVisible,
    (seen) => {
      cancelAnimationFrame(frame);
      if (seen) frame = requestAnimationFrame(putBack);
    },
    { flush: 'sync' },
  );
  onScopeDispose(() => cancelAnimationFrame(frame));
  return remember;
}
