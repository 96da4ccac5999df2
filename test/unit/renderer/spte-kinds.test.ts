import { describe, expect, it } from 'vitest';
import { kindOfFilter, SPTE_KIND_CHOICES } from '../../../renderer/src/layout/spte-kinds.ts';

describe('the kinds of sptes that one may ask for', () => {
  it.each(SPTE_KIND_CHOICES.map((choice) => [choice.title, choice] as const))(
    '%s is found again by its filter',
    (_title, choice) => {
      expect(kindOfFilter(choice.filter)?.id).toBe(choice.id);
      const { kinds = [], freshness = 'any', state = 'any' } = choice.filter;
      const elsewhere = { kinds: kinds.toReversed(), freshness, state, sort: 'gen', page: 3 } as const;
      expect(kindOfFilter(elsewhere)?.id, 'wherever and in whatever order').toBe(choice.id);
    },
  );

  it('are none where nobody offers it', () => {
    expect(kindOfFilter({ kinds: ['mmio', 'leaf'] })).toBeUndefined();
  });
});
