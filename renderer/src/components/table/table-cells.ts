/** What stands in a row of a table of `div`s, told to assistive technology as its cells. */
import { Comment, Fragment, Text, cloneVNode, h, isVNode } from 'vue';
import type { FunctionalComponent, VNode, VNodeArrayChildren } from 'vue';

interface CellProps {
  readonly role: 'cell' | 'gridcell' | 'columnheader';
}

/** Elements that say what they are; they stand in a cell. Everything else becomes one. */
const SPEAKS_FOR_ITSELF = new Set(['button', 'a', 'input', 'select', 'label']);

export const TableCells: FunctionalComponent<CellProps> = ({ role }, { slots }) => [
  ...cellsOf(role, slots['default']?.() ?? []),
];
TableCells.props = ['role'];
TableCells.inheritAttrs = false;

/** What a slot gave, as cells. */
export const cellsOf = (role: CellProps['role'], children: VNodeArrayChildren): VNode[] =>
  contentsOf(children).map((child) =>
    typeof child.type === 'string' && !SPEAKS_FOR_ITSELF.has(child.type)
      ? cloneVNode(child, { role })
      : h('span', { role, ...(child.key === null ? {} : { key: child.key }) }, [child]),
  );

function contentsOf(children: VNodeArrayChildren): readonly VNode[] {
  return children.flatMap((child) => {
    if (Array.isArray(child)) return contentsOf(child);
    if (!isVNode(child) || child.type === Comment || child.type === Text) return [];
    return child.type === Fragment && Array.isArray(child.children) ? contentsOf(child.children) : [child];
  });
}
