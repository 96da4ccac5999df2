/** The size of an element in CSS pixels, as it changes. */
import { onScopeDispose, ref, watch } from 'vue';
import type { Ref } from 'vue';

export interface ElementSize {
  readonly width: Readonly<Ref<number>>;
  readonly height: Readonly<Ref<number>>;
}

export function useElementSize(element: Readonly<Ref<HTMLElement | null>>): ElementSize {
  const width = ref(0);
  const height = ref(0);
  const observer = new ResizeObserver(([entry]) => {
    width.value = entry.contentRect.width;
    height.value = entry.contentRect.height;
  });
  watch(
    element,
    (next, last) => {
      if (last) observer.unobserve(last);
      if (next) observer.observe(next);
    },
    { immediate: true },
  );
  onScopeDispose(() => observer.disconnect());
  return { width, height };
}
