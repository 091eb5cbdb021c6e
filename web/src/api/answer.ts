import { useEffect, useState } from 'preact/hooks';
import { ApiError } from './client';

/** An answer as a page sees it: data stays while it is asked for again, also when that fails. */
export interface Answer<T> { data: T | undefined; error: ApiError | undefined; retry: () => void }

interface Held<T> { key: string; data?: T | undefined; error?: ApiError | undefined }

const told = (e: unknown) => (e instanceof ApiError ? e : new ApiError(0, 'The page failed', String(e)));

/** Loads what the key names, anew when key or refresh change. Only the last call's answer is taken. */
export function useAnswer<T>(key: string, load: (signal: AbortSignal) => Promise<T>, refresh: unknown = 0): Answer<T> {
  const [held, hold] = useState<Held<T>>({ key });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    load(abort.signal).then(
      (data) => { if (!abort.signal.aborted) hold({ key, data }); },
      (e: unknown) => {
        if (!abort.signal.aborted) hold((old) => ({ key, data: old.key === key ? old.data : undefined, error: told(e) }));
      },
    );
    return () => abort.abort();
  }, [key, refresh, tries]);
  const mine = held.key === key ? held : { key };
  return { data: mine.data, error: mine.error, retry: () => setTries((n) => n + 1) };
}
