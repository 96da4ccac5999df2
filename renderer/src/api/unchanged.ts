/**
 * What has not changed stays the same object. An answer comes as a copy of its own; with the parts that are equal to the last
 * answer's put in their old place, only what shows a part that is another one is drawn again.
 */

/** `next`, in which every part that equals the one of `last` at its place is that one. */
export function keepUnchanged<T>(last: unknown, next: T): T {
  if (Object.is(last, next) || typeof last !== 'object' || typeof next !== 'object') return next;
  if (last === null || next === null) return next;
  // Whatever is returned is `next` or equal to it, so it is a T.
  if (Array.isArray(next)) return (Array.isArray(last) ? keptArray(last, next) : next) as T;
  if (ArrayBuffer.isView(next)) return (ArrayBuffer.isView(last) && isSameView(last, next) ? last : next) as T;
  if (!isPlain(next) || !isPlain(last)) return next;
  return keptObject(last, next) as T;
}

type Plain = Readonly<Record<string, unknown>>;

function isPlain(value: object): value is Plain {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function keptArray(last: readonly unknown[], next: readonly unknown[]): readonly unknown[] {
  let isSame = last.length === next.length;
  const kept = next.map((value, i) => {
    const one = keepUnchanged(last[i], value);
    if (!Object.is(one, last[i])) isSame = false;
    return one;
  });
  return isSame ? last : kept;
}

function keptObject(last: Plain, next: Plain): Plain {
  const names = Object.keys(next);
  let isSame = names.length === Object.keys(last).length;
  const kept: Record<string, unknown> = {};
  for (const name of names) {
    kept[name] = keepUnchanged(last[name], next[name]);
    if (!Object.is(kept[name], last[name]) || !Object.hasOwn(last, name)) isSame = false;
  }
  return isSame ? last : kept;
}

function isSameView(last: ArrayBufferView, next: ArrayBufferView): boolean {
  if (last.constructor !== next.constructor || last.byteLength !== next.byteLength) return false;
  const a = new Uint8Array(last.buffer, last.byteOffset, last.byteLength);
  const b = new Uint8Array(next.buffer, next.byteOffset, next.byteLength);
  return a.every((byte, i) => byte === b[i]);
}
