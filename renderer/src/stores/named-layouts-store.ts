/** Layouts that were given a name. Each is read like any other stored layout when it is wanted. */
import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import * as v from 'valibot';
import { useLayoutStore } from './layout-store.ts';
import { useNoticesStore } from './notices-store.ts';

const STORAGE_KEY = 'umbra.layouts';
const MAX_LAYOUTS = 20;
export const MAX_LAYOUT_NAME = 40;

const schema = v.record(v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_LAYOUT_NAME)), v.unknown());

function readStored(): ReadonlyMap<string, unknown> {
  try {
    const parsed = v.safeParse(schema, JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '{}'));
    return new Map(parsed.success ? Object.entries(parsed.output).slice(0, MAX_LAYOUTS) : []);
  } catch {
    return new Map();
  }
}

export const useNamedLayoutsStore = defineStore('named-layouts', () => {
  const layout = useLayoutStore();
  const notices = useNoticesStore();
  const layouts = shallowRef(readStored());
  const names = computed(() => [...layouts.value.keys()]);

  function keep(next: ReadonlyMap<string, unknown>): void {
    layouts.value = next;
    localStorage.setItem(STORAGE_KEY, JSON.stringify(Object.fromEntries(next)));
  }

  /** @returns why not, undefined when it is kept */
  function saveAs(name: string): string | undefined {
    const trimmed = name.trim();
    if (trimmed === '') return 'A layout needs a name.';
    if (trimmed.length > MAX_LAYOUT_NAME) return `A name has at most ${MAX_LAYOUT_NAME} characters.`;
    if (!layouts.value.has(trimmed) && layouts.value.size >= MAX_LAYOUTS) {
      return `There are ${MAX_LAYOUTS} layouts already; delete one first.`;
    }
    const saved = layout.snapshot();
    if (saved === undefined) return 'There is no layout yet.';
    keep(new Map(layouts.value).set(trimmed, saved));
    notices.add('info', `The layout is kept as “${trimmed}”.`);
    return undefined;
  }

  function apply(name: string): void {
    if (!layout.restore(layouts.value.get(name))) {
      notices.add('error', `The layout “${name}” cannot be read any more; the default one is shown.`);
    }
  }

  function remove(name: string): void {
    const next = new Map(layouts.value);
    next.delete(name);
    keep(next);
  }

  return { names, saveAs, apply, remove };
});
