// The theme: the system's until one is chosen by hand. public/theme.js applies the choice before the first paint.
import { signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';

const key = 'rollcall.theme';
const next: Record<Theme, Theme> = { system: 'dark', dark: 'light', light: 'system' };

const stored = (): Theme => {
  const word = document.documentElement.dataset.theme;
  return word === 'dark' || word === 'light' ? word : 'system';
};

export const theme = signal<Theme>(stored());

/** Goes on to the next theme and keeps it where the browser lets us. */
export function turnTheme(): void {
  theme.value = next[theme.value];
  if (theme.value === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  try {
    if (theme.value === 'system') localStorage.removeItem(key);
    else localStorage.setItem(key, theme.value);
  } catch {
    // Storage is forbidden: the choice lasts as long as the page.
  }
}
