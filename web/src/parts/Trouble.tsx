import type { ApiError } from '../api/client';

/** A call that failed, in the words of the server, with a way to try again. */
export function Trouble({ error, what, retry }: { error: ApiError | undefined; what: string; retry: () => void }) {
  if (error === undefined) return null;
  return (
    <div class="trouble" role="alert">
      <p><b>Could not load {what}.</b> {error.message}{error.status > 0 && ` (${error.status})`}</p>
      {error.faults.length > 0 && <ul>{error.faults.map((f) => <li key={f}>{f}</li>)}</ul>}
      <button type="button" onClick={retry}>Try again</button>
    </div>
  );
}
