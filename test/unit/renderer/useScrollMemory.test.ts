import { describe, expect, it } from 'vitest';
import { effectScope, ref } from 'vue';
import { useScrollMemory } from '../../../renderer/src/composables/useScrollMemory.ts';

const frame = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve));

function panel() {
  const isVisible = ref(true);
  const scope = effectScope();
  const memory = scope.run(() => useScrollMemory(isVisible));
  const list = document.createElement('div');
  document.body.append(list);
  list.addEventListener('scroll', (event) => memory?.remember(event));
  const scrollTo = (top: number): void => {
    list.scrollTop = top;
    list.dispatchEvent(new Event('scroll'));
  };
  return { isVisible, scope, list, scrollTo, memory };
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

  it('is where it was when the dock has put the panel elsewhere, in sight all the while', async () => {
    const { memory, list, scrollTo } = panel();
    scrollTo(120);
    list.remove();
    document.body.append(list);
    memory?.putBackSoon();
    scrollTo(0);
    await frame();
    expect(list.scrollTop).toBe(120);
    scrollTo(40);
    memory?.putBackSoon();
    await frame();
    expect(list.scrollTop).toBe(40);
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
