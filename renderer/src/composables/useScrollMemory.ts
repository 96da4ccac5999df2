/** A panel behind another is not in the document, and comes back scrolled to its top: what was scrolled in it is put back. */
import { onScopeDispose, watch } from 'vue';
import type { Ref } from 'vue';

interface Place {
  readonly left: number;
  readonly top: number;
}

export interface ScrollMemory {
  /** To be called with each scroll event of the panel, captured. */
  remember(event: Event): void;
  /** The dock has put the panel elsewhere, in sight all the while. */
  putBackSoon(): void;
}

export function useScrollMemory(isVisible: Readonly<Ref<boolean>>): ScrollMemory {
  const places = new Map<Element, Place>();
  let frame = 0;

  function remember({ target }: Event): void {
    // What the browser tells of a panel that has been moved is its top.
    if (!isVisible.value || frame !== 0 || !(target instanceof Element)) return;
    // Lists come and go: what has gone must not be held on to.
    if (!places.has(target)) for (const old of places.keys()) if (!old.isConnected) places.delete(old);
    places.set(target, { left: target.scrollLeft, top: target.scrollTop });
  }

  function putBack(): void {
    frame = 0;
    for (const [element, place] of places) element.scrollTo({ ...place, behavior: 'instant' });
  }

  function putBackSoon(): void {
    cancelAnimationFrame(frame);
    frame = isVisible.value ? requestAnimationFrame(putBack) : 0;
  }

  watch(isVisible, putBackSoon, { flush: 'sync' });
  onScopeDispose(() => cancelAnimationFrame(frame));
  return { remember, putBackSoon };
}
