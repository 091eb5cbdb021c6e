// The token that this tab shows to the server, and whether the server wants another. It lives as long as the tab.
import { batch, signal } from '@preact/signals';

const key = 'rollcall.token';

/** The token shown with every call; undefined while there is none. */
export const token = signal<string | undefined>(stored());

/** Why the server lets nobody in with what was shown: its words, empty where nothing was shown. Undefined while it does. */
export const refusal = signal<string | undefined>(undefined);

/** The headers that show a token. */
export const shown = (text: string | undefined): Record<string, string> => (text === undefined ? {} : { authorization: `Bearer ${text}` });

/** The server answered 401 to a call with this token. It is of no account when another was given since. */
export function refused(text: string | undefined, reason: string): void {
  if (text === token.value) refusal.value = text === undefined ? '' : reason;
}

/** Whether a text can be a token at all: other characters cannot be sent. */
export const possible = (text: string): boolean => /^[\x21-\x7e]+$/.test(text);

/** From now on this token is shown. */
export function give(text: string): void {
  keep(text);
  batch(() => { token.value = text; refusal.value = undefined; });
}

/** Shows no token any more, and asks for one. */
export function forget(): void {
  keep(undefined);
  batch(() => { token.value = undefined; refusal.value = ''; });
}

function stored(): string | undefined {
  try {
    return sessionStorage.getItem(key) ?? undefined;
  } catch {
    return undefined; // storage is forbidden
  }
}

function keep(text: string | undefined): void {
  try {
    if (text === undefined) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, text);
  } catch {
    // Storage is forbidden: the token lasts until the page is loaded again.
  }
}
