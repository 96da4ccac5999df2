/** Parts of the inspector, the walk and the device panel, mounted. */
import { formatAddress } from '@core/format/address-text.ts';
import type { ReverseMap } from '@core/protocol/index.ts';
import { enableAutoUnmount, mount } from '@vue/test-utils';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextTick } from 'vue';
import PortPeek from '../../../renderer/src/components/devices/PortPeek.vue';
import SpteDecodeBox from '../../../renderer/src/components/sptes/SpteDecodeBox.vue';
import SpteDetail from '../../../renderer/src/components/sptes/SpteDetail.vue';
import SpteFormatFields from '../../../renderer/src/components/sptes/SpteFormatFields.vue';
import ReverseMapView from '../../../renderer/src/components/sptes/ReverseMapView.vue';
import SpteHeatStrip from '../../../renderer/src/components/sptes/SpteHeatStrip.vue';
import { PANEL } from '../../../renderer/src/composables/usePanel.ts';
import WalkPanel from '../../../renderer/src/panels/WalkPanel.vue';
import { useFocusStore } from '../../../renderer/src/stores/focus-store.ts';
import { useMachineStore } from '../../../renderer/src/stores/machine-store.ts';
import { panelOf } from '../../../renderer/src/stores/panels-store.ts';
import { useSptesStore } from '../../../renderer/src/stores/sptes-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

enableAutoUnmount(afterEach);

let engine: FakeEngine;
beforeEach(async () => {
  engine = await startStores();
});

const inPanel = () => ({ global: { provide: { [PANEL]: panelOf('sptes') } } });

describe('the heat strip', () => {
  const heat = (fresh: number[], stale: number[]) => ({
    first: 0xe0000,
    last: 0xe0000 + fresh.length - 1,
    framesPerCell: 1,
    fresh: Uint32Array.from(fresh),
    stale: Uint32Array.from(stale),
  });

  it('fills its width with a single gfn, and parts it only where there are both kinds', () => {
    useSptesStore().heat = heat([4, 0, 2], [0, 1, 2]);
    const cells = mount(SpteHeatStrip, inPanel()).findAll('.cell');
    const widths = cells.map((cell) => cell.findAll('i').map((bar) => bar.attributes('style')));
    expect(widths[0].join(' ')).toContain('width: 100%');
    expect(widths[1].join(' ')).toContain('width: 100%');
    expect(widths[2].join(' ')).not.toContain('width: 100%');
    expect(widths[2].join(' ')).toContain('width: 50%');
  });

  it('says what each part holds, and shows it when it is chosen, by mouse or keys', async () => {
    const store = useSptesStore();
    store.heat = heat([4, 0], [0, 1]);
    const strip = mount(SpteHeatStrip, inPanel());
    expect(strip.find('.cells').attributes('aria-label')).toMatch(/4 fresh, 1 stale/);
    expect(strip.findAll('.cell')[1].attributes('title')).toMatch(/gfn 0xe0001: 0 fresh, 1 stale/);
    await strip.findAll('.cell')[1].trigger('click');
    expect(store.filter).toMatchObject({ gfnStart: 0xe0001, gfnLength: 1 });
    // The rows of that part come, and with them another strip.
    await new Promise((done) => setTimeout(done));
    store.heat = heat([4, 0], [0, 1]);
    await nextTick();
    await strip.find('.cells').trigger('keydown', { key: 'End' });
    expect(strip.find('[aria-live]').text()).toMatch(/gfn 0xe0001/);
    await strip.find('.cells').trigger('keydown', { key: 'ArrowLeft' });
    await strip.find('.cells').trigger('keydown', { key: 'Enter' });
    expect(store.filter).toMatchObject({ gfnStart: 0xe0000, gfnLength: 1 });
  });

  it('is not there without MMIO sptes', () => {
    expect(mount(SpteHeatStrip, inPanel()).find('.cells').exists()).toBe(false);
  });
});

describe('what maps a frame', () => {
  const page = { index: 7, gfn: 0x200, role: 1, unsync: false, obsolete: false };
  const rmap: ReverseMap = {
    gfn: 0x234,
    slot: {
      id: 1,
      baseGfn: 0x100,
      npages: 0x1000,
      hva: 0x7f00_0000_0000n,
      logDirtyPages: true,
      readonly: false,
      invalid: false,
    },
    hva: 0x7f00_0013_4000n,
    hpa: 0x1000,
    levels: [
      {
        level: 1,
        word: 0,
        value: 1,
        shape: 'one spte',
        descriptors: [],
        sptes: [
          {
            sptep: 0x9000 + 8 * 0x34,
            value: 0x23_4075n,
            level: 1,
            page,
            writable: false,
            hostWritable: true,
            mmuWritable: true,
            accessed: true,
            dirty: false,
          },
        ],
      },
    ],
    mmioSptes: [{ sptep: 0x9010, value: 0xffdn, page: undefined, gen: 3, kvmGen: 4 }],
    dirty: true,
    writeState: 'dirty logging',
    writeText: 'mapped read-only: the slot logs dirty pages.',
    largePages: [],
    shadowedBy: [],
  };

  it('is said in words: the slot, each spte, and why it may not be written', () => {
    const text = mount(ReverseMapView, { props: { rmap } }).text();
    expect(text).toContain('What maps gfn 0x234');
    expect(text).toContain('memslot 1, logs dirty pages');
    expect(text).toContain('mapped read-only: the slot logs dirty pages.');
    expect(text).toContain('◫ level 1, read-only');
    expect(text).toContain('◌ MMIO stale, generation 0x3 ≠ 0x4');
  });

  it('leads to each spte by its place', async () => {
    const view = mount(ReverseMapView, { props: { rmap } });
    const link = view.findAll('[role=link]').find((one) => one.text() === '0x0000000000234075');
    await link?.trigger('click');
    expect(useFocusStore().focus).toEqual({ kind: 'spte', page: 7, entry: 0x34, gfn: 0x234 });
  });

  it('says that nothing does', () => {
    const empty = { ...rmap, slot: undefined, hva: undefined, levels: [], mmioSptes: [] };
    const text = mount(ReverseMapView, { props: { rmap: empty } }).text();
    expect(text).toContain('no memslot: an access to it is MMIO');
    expect(text).toContain('No spte maps it.');
  });
});

describe('the selected spte', () => {
  it('is taken apart once, not at every word of a running guest', async () => {
    const store = useSptesStore();
    await store.showRange(0n, 1n << 40n);
    mount(SpteDetail, inPanel());
    await nextTick();
    store.selected = store.rowAt(0);
    await nextTick();
    const decoded = () => engine.requests.filter(({ name }) => name === 'spte.decode').length;
    expect(decoded()).toBe(1);
    for (let word = 0; word < 3; word++) {
      engine.insns += 1000;
      engine.emit({ kind: 'status', status: engine.status });
      await nextTick();
    }
    expect(useMachineStore().status?.moment.insns).toBe(engine.insns);
    expect(decoded()).toBe(1);
  });

  it.each(['v3.10', 'patch', 'v3.11', 'v3.17', 'v6.8'])('can be read as the era %s, which runs, reads it', (era) => {
    const format = { era, mmu: 'ept', maxPhyAddr: 40 } as const;
    const fields = mount(SpteFormatFields, { props: { modelValue: format, prefix: 'decode' } });
    expect(fields.find<HTMLSelectElement>('[name=decode-era]').element.value).toBe(era);
  });
});

describe('the address to walk', () => {
  const running = async (): Promise<void> => {
    engine.rip += 0x10n;
    engine.insns += 1;
    engine.stop({ kind: 'step' });
    await new Promise((done) => setTimeout(done));
  };

  it('follows the guest, but not over what is being typed', async () => {
    const panel = mount(WalkPanel, { ...inPanel(), attachTo: document.body });
    const field = panel.find<HTMLInputElement>('[name=walk-address]');
    await running();
    expect(field.element.value).toBe(`gva:${formatAddress(engine.rip)}`);
    field.element.focus();
    await field.setValue('gpa:feb');
    await running();
    expect(field.element.value).toBe('gpa:feb');
    field.element.blur();
    await nextTick();
    expect(field.element.value).toBe(`gva:${formatAddress(engine.rip)}`);
  });
});

describe('ports looked at', () => {
  it('are read as nobody reads them, and shown with dots where no device is', async () => {
    engine.ports.set(0x3f8, 0x5a);
    const peek = mount(PortPeek);
    await peek.find('input').setValue('3f7');
    await peek.find('form').trigger('submit');
    await new Promise((done) => setTimeout(done));
    expect(peek.find('[data-reading=peeked-ports]').text()).toMatch(/^0x03f7: ·· 5a ··/);
  });

  it.each(['10000', 'xyz'])('are none: %s', async (text) => {
    const peek = mount(PortPeek);
    await peek.find('input').setValue(text);
    await peek.find('form').trigger('submit');
    expect(peek.find('[role=alert]').text()).toBe('A port is a hexadecimal number up to ffff.');
  });
});

describe('the decoder', () => {
  it('marks the field that is wrong, and says why: of the host, or what was pasted', async () => {
    const box = mount(SpteDecodeBox);
    const bits = box.get('[name=decode-maxphyaddr]');
    const text = box.get('[name=raw-spte]');
    await text.setValue('0xffd00000feb00036');
    await bits.setValue('99');
    await nextTick();
    expect(bits.attributes('aria-invalid')).toBe('true');
    expect(text.attributes('aria-invalid')).toBe('false');
    expect(box.get('[role=alert]').text()).toBe('MAXPHYADDR is a number of bits from 32 to 52.');
    await bits.setValue('46');
    await nextTick();
    expect(bits.attributes('aria-invalid')).toBe('false');
    expect(box.find('[role=alert]').exists()).toBe(false);
  });
});
