import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VM_PTE_LIST_FREE } from '../../../core/arena/mmu-layout.ts';
import type { Mmu } from '../../../core/kvm/mmu/mmu.ts';
import { pteListAdd, pteListAt, pteListCount, pteListFirst, pteListRemove } from '../../../core/kvm/mmu/rmap-list.ts';
import { KvmFixture } from './kvm-fixture.ts';

/** Some word that nobody uses: the last one of the vm region. */
const wordOf = (mmu: Mmu): number => (mmu.vm + 4092) >> 2;
const contents = (mmu: Mmu): number[] =>
  Array.from({ length: pteListCount(mmu, wordOf(mmu)) }, (_, i) => pteListAt(mmu, wordOf(mmu), i));

function freeDescriptors(mmu: Mmu): number {
  let count = 0;
  for (let desc = mmu.i32[(mmu.vm + VM_PTE_LIST_FREE) >> 2]; desc !== 0; desc = mmu.i32[(desc >> 2) + 3]) count++;
  return count;
}

describe('a pte_list', () => {
  const { mmu } = new KvmFixture().vm;
  const word = wordOf(mmu);
  const descriptors = freeDescriptors(mmu);

  it('is a plain pointer while it holds one spte', () => {
    expect(pteListAdd(mmu, word, 0x1000)).toBe(0);
    expect(mmu.i32[word]).toBe(0x1000);
    expect(freeDescriptors(mmu)).toBe(descriptors);
    pteListRemove(mmu, word, 0x1000);
    expect(mmu.i32[word]).toBe(0);
  });

  it('becomes descriptors of three from the second on, and gives them all back', () => {
    for (let n = 1; n <= 8; n++) pteListAdd(mmu, word, n * 8);
    expect(mmu.i32[word] & 1).toBe(1);
    expect(freeDescriptors(mmu)).toBe(descriptors - 3);
    expect(contents(mmu)).toEqual([8, 16, 24, 32, 40, 48, 56, 64]);
    while (mmu.i32[word] !== 0) pteListRemove(mmu, word, pteListFirst(mmu, word));
    expect(freeDescriptors(mmu)).toBe(descriptors);
  });

  it.each([
    ['0->BUG', [], 8],
    ['1->BUG', [16], 8],
    ['many->many', [16, 24], 8],
  ] as const)('is a bug (%s) to remove what is not there', (text, held, missing) => {
    for (const sptep of held) pteListAdd(mmu, word, sptep);
    expect(() => pteListRemove(mmu, word, missing)).toThrow(text);
    for (const sptep of held) pteListRemove(mmu, word, sptep);
  });

  it('holds what was added and not removed, whatever the order', () => {
    const operations = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 20 })), { maxLength: 60 });
    fc.assert(
      fc.property(operations, (list) => {
        const model = new Set<number>();
        for (const [add, n] of list) {
          const sptep = n * 8;
          if (add && !model.has(sptep)) {
            pteListAdd(mmu, word, sptep);
            model.add(sptep);
          } else if (!add && model.delete(sptep)) {
            pteListRemove(mmu, word, sptep);
          }
          expect(contents(mmu).toSorted((a, b) => a - b)).toEqual([...model].toSorted((a, b) => a - b));
        }
        for (const sptep of model) pteListRemove(mmu, word, sptep);
        expect(mmu.i32[word]).toBe(0);
        expect(freeDescriptors(mmu)).toBe(descriptors);
      }),
      { seed: 311, numRuns: 200 },
    );
  });
});
