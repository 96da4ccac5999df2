import { describe, expect, it } from 'vitest';
import { nameViolations } from '../../../scripts/check/names.mjs';

const judge = (file: string, text = ''): string[] => nameViolations(new Map([[file, text]]));

describe('the naming rules', () => {
  it.each([
    'core/kvm/mmio-spte.ts',
    'renderer/App.vue',
    'renderer/panels/MemslotTable.vue',
    'renderer/composables/useFocus.ts',
    'renderer/stores/machine-store.ts',
    'test/unit/renderer/MemslotTable.test.ts',
    'test/unit/renderer/useFocus.test.ts',
    'scripts/runtime/yauzl-module.d.ts',
  ])('accept %s', (file) => {
    expect(judge(file)).toEqual([]);
  });

  it.each([
    ['core/kvm/mmioSpte.ts', 'the name is not kebab-case'],
    ['core/kvm/MmioSpte.ts', 'the name is not kebab-case'],
    ['core/kvm/utils.ts', 'the name utils says nothing about what is in it'],
    ['core/kvm/types.ts', 'the name types says nothing about what is in it'],
    ['core/common/bits.ts', 'the folder common says nothing about what is in it'],
    ['core/KVM/bits.ts', 'the folder KVM is not kebab-case'],
    ['renderer/panels/Memslots.vue', 'a component has a PascalCase name of several words'],
    ['renderer/panels/memslot-table.vue', 'a component has a PascalCase name of several words'],
    ['renderer/composables/focus.ts', 'a composable is called useSomething'],
    ['renderer/stores/machine.ts', 'a store is called something-store'],
  ])('refuse %s', (file, complaint) => {
    expect(judge(file)).toEqual([`${file}: ${complaint}`]);
  });

  it.each(['let generation = 0;', 'var generation = 0;', 'export let generation = 0;'])(
    'find state in a module of core/: %s',
    (text) => {
      expect(judge('core/kvm/vm.ts', `\n${text}\n`)).toEqual([
        'core/kvm/vm.ts:2: core/ keeps no state in a module (let or var at top level)',
      ]);
    },
  );

  it.each([
    ['core/kvm/vm.ts', 'const mask = 7;\nexport function next() { let a = mask; a += 1; return a; }'],
    ['renderer/main.ts', 'let mounted = false;'],
  ])('leave what is no module state of core/ alone: %s', (file, text) => {
    expect(judge(file, text)).toEqual([]);
  });
});
