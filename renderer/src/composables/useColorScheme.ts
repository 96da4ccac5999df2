/** Whether the system asks for dark or light. Style sheets follow by themselves; canvases and the terminal need to be told. */
import { onScopeDispose, ref } from 'vue';
import type { Ref } from 'vue';

export type ColorScheme = 'dark' | 'light';

export function useColorScheme(): Readonly<Ref<ColorScheme>> {
  const query = window.matchMedia('(prefers-color-scheme: light)');
  const scheme = ref<ColorScheme>(query.matches ? 'light' : 'dark');
  const update = (): void => {
    scheme.value = query.matches ? 'light' : 'dark';
  };
  query.addEventListener('change', update);
  onScopeDispose(() => query.removeEventListener('change', update));
  return scheme;
}

/** The value of one of the custom properties of `styles/colors.css`. */
export const colorToken = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
