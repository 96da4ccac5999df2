/**
 * Where the rows of a long list lie. An element can be so high and no higher (Chromium counts 2²⁵ pixels of the screen), so the
 * scroll bar of a list that would be higher stands for a longer way than it has; its rows are put where the reader looks.
 */

/** Pixels of the screen; a little below what Chromium can count. */
const MAX_HEIGHT = 30_000_000;

export interface LongList {
  readonly count: number;
  readonly rowHeight: number;
  /** Of what is seen at once. */
  readonly viewHeight: number;
  /** Pixels of the screen in one of the page. */
  readonly zoom: number;
}

/** First and last of a run of rows. */
export interface RowRange {
  readonly first: number;
  readonly last: number;
}

const fullHeight = ({ count, rowHeight }: LongList): number => count * rowHeight;
const maxTop = (list: LongList): number => Math.max(0, fullHeight(list) - list.viewHeight);

/** Height of the element that is scrolled. */
export const scrolledHeight = (list: LongList): number => Math.min(fullHeight(list), MAX_HEIGHT / list.zoom);

/** Whether a pixel of the scroll bar is more than a pixel of the list. */
export const isScaled = (list: LongList): boolean => fullHeight(list) > scrolledHeight(list);

/** How far down in the list the view begins when its element is scrolled so far. */
export function listTop(list: LongList, scrollTop: number): number {
  if (!isScaled(list)) return scrollTop;
  const way = scrolledHeight(list) - list.viewHeight;
  return Math.min(maxTop(list), (Math.max(0, scrollTop) / way) * maxTop(list));
}

/** Inverse of {@link listTop}. */
export function scrollTopFor(list: LongList, top: number): number {
  const within = Math.min(maxTop(list), Math.max(0, top));
  if (!isScaled(list)) return within;
  return (within / maxTop(list)) * (scrolledHeight(list) - list.viewHeight);
}

/** Rows that are seen, and `more` on either side. */
export function rowsAt(list: LongList, top: number, more: number): RowRange {
  const first = Math.floor(top / list.rowHeight) - more;
  const last = Math.ceil((top + list.viewHeight) / list.rowHeight) - 1 + more;
  return { first: Math.max(0, first), last: Math.min(list.count - 1, last) };
}

/**
 * Where a reader who has gone to `top` is shown something: there, or as near to it as there are rows. Rows that are on their
 * way are waited for in front of others, not in front of nothing. Whoever leaps away from all that are there sees those that he
 * saw, because to draw others for the time of a question takes as long as to draw the answer.
 * @param loaded rows that can be shown; undefined: all of them
 * @param before where he was shown something last
 */
export function shownTop(list: LongList, top: number, loaded: RowRange | undefined, before: number): number {
  if (loaded === undefined || loaded.last < loaded.first) return top;
  const { first, last } = rowsAt(list, top, 0);
  if (first >= loaded.first && last <= loaded.last) return top;
  const isFar = first > loaded.last || last < loaded.first;
  const lowest = loaded.first * list.rowHeight;
  const highest = Math.max(lowest, (loaded.last + 1) * list.rowHeight - list.viewHeight);
  return Math.min(highest, Math.max(lowest, isFar ? before : top));
}

/**
 * The rows that are drawn for a reader who is shown `top`: none that is not there as long as others are, and always as many,
 * because making a row takes longer than changing one.
 */
export function shownRows(list: LongList, top: number, more: number, loaded: RowRange | undefined): RowRange {
  const { first, last } = rowsAt(list, top, more);
  if (loaded === undefined || loaded.last < first || loaded.first > last) return { first, last };
  const count = last - first + 1;
  const begin = Math.max(loaded.first, Math.min(first, loaded.last - count + 1));
  return { first: begin, last: Math.min(loaded.last, begin + count - 1) };
}
