/**
 * One row of a virtual table. A component of its own, which is drawn again only when the row is another one or what it reads
 * has changed: a table that is scrolled draws the rows that come and leaves the others alone.
 */
import { defineComponent, h } from 'vue';
import type { PropType, Slot } from 'vue';
import { cellsOf } from './table-cells.ts';

export const TableRow = defineComponent({
  name: 'TableRow',
  props: {
    index: { type: Number, required: true },
    /** Pixels from the top of the element that all rows are in. */
    top: { type: Number, required: true },
    isSelected: { type: Boolean, required: true },
    cells: { type: Function as PropType<Slot>, required: true },
  },
  setup: (props) => () =>
    h(
      'div',
      {
        class: 'table-row',
        role: 'row',
        'aria-rowindex': props.index + 2,
        'aria-selected': props.isSelected,
        // No transform: each would be a layer's worth of work for the compositor in every frame.
        style: `top: ${props.top}px`,
      },
      cellsOf('gridcell', props.cells({ index: props.index })),
    ),
});
