/** Links within text, as the window draws them. */
import { enableAutoUnmount, mount } from '@vue/test-utils';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { h } from 'vue';
import LinkedText from '../../../renderer/src/components/numbers/LinkedText.vue';
import NumberLink from '../../../renderer/src/components/numbers/NumberLink.vue';
import { useFocusStore } from '../../../renderer/src/stores/focus-store.ts';
import { useMenuStore } from '../../../renderer/src/stores/menu-store.ts';
import { startStores } from './stores.ts';

enableAutoUnmount(afterEach);
beforeEach(async () => {
  localStorage.clear();
  await startStores();
});

describe('a line of words with numbers', () => {
  it('is drawn as it stands, and each number leads to what it is', async () => {
    const text = '  slot 1: gpa [0x100000, 0x800000) at hva 0x7f0000000000';
    const shown = mount({ render: () => h('p', h(LinkedText, { text })) });
    expect(shown.element.textContent).toBe(text);
    const links = shown.findAll('[role=link]');
    expect(links.map((link) => link.text())).toEqual(['0x100000', '0x800000', '0x7f0000000000']);
    await links[0].trigger('click');
    expect(useFocusStore().focus).toEqual({ kind: 'address', space: 'gpa', address: 0x10_0000n });
  });
});

describe('a number that is no place', () => {
  it('opens its menu when it is followed, so that no link is dead', async () => {
    const link = mount(NumberLink, { props: { number: { kind: 'generation', generation: 5 } } });
    await link.find('[role=link]').trigger('click');
    expect(useMenuStore().menu?.entries.map(({ title }) => title)).toContain('Go to the generation');
  });
});
