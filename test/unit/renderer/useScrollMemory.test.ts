import { describe, expect, it } from 'vitest';
import { effectScope, ref } from 'vue';
import { useScrollMemory } from '../../../renderer/src/composables/useScrollMemory.ts';

const frame = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve));

function panel() {
  const isVisible = ref(true);
  const scope = effectScope();
  const remember = scope.run(() => useScrollMemory(isVisible)) ?? (() => undefined);
  const list = document.createElement('div');
  document.body.append(list);
  list.addEventListener('scroll', remember);
  const scrollTo = (top: number): void => {
    list.scrollTop = top;
    list.dispatchEvent(new Event('scroll'));
  };
  return { isVisible, scope, list, scrollTo };
}

describe('what was scrolled in a panel', () => {
  it('is where it was when the panel comes to the front again', async () => {
    const { isVisible, list, scrollTo } = panel();
    scrollTo(120);
    isVisible.value = false;
    // The browser forgets it with the element's place in the document, and tells so when it is back.
    list.remove();
    scrollTo(0);
    document.body.append(list);
    isVisible.value = true;
    await frame();
    expect(list.scrollTop).toBe(120);
  });

  it('is left alone in a panel that is gone', async () => {
    const { isVisible, scope, list, scrollTo } = panel();
    scrollTo(120);
    isVisible.value = false;
    scrollTo(0);
    isVisible.value = true;
    scope.stop();
    await frame();
    expect(list.scrollTop).toBe(0);
  });
});
