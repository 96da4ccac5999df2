import { mount } from '@vue/test-utils';
import { beforeEach, expect, it } from 'vitest';
import { nextTick } from 'vue';
import TourSteps from '../../../renderer/src/components/labs/TourSteps.vue';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import { useTourStore } from '../../../renderer/src/stores/tour-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

let engine: FakeEngine;
beforeEach(async () => {
  localStorage.clear();
  engine = await startStores();
});

it('the tour goes with the demo guest, and brings it back', async () => {
  const tour = useTourStore();
  const bar = mount(TourSteps);
  expect(tour.isHere).toBe(true);
  expect(bar.find('[data-reading=tour-step]').text()).toContain('0xe0000000');
  expect(bar.find('[title="Show Breakpoints (Alt+7)"]').exists()).toBe(true);
  await useMachineStore().load(await engine.readGuest('storm'), {});
  await nextTick();
  expect(bar.find('[data-reading=tour-step]').text()).toContain('not loaded');
  expect(bar.find('[aria-label="Next step"]').exists()).toBe(false);
  await bar.find('button.plain').trigger('click');
  await expect.poll(() => tour.isHere).toBe(true);
  expect(engine.present?.image.name).toBe('poller');
  expect(bar.find('[data-reading=tour-count]').exists()).toBe(true);
});
