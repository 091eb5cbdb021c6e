// Server-sent events read with fetch: EventSource cannot show a token.
import { ask } from '../api/client';

/** One event. The id is that of the latest event that had one. */
export interface ServerEvent { type: string; id: string; data: string }

/** Cuts a text that comes in pieces into events, as the HTML standard has it (section 9.2.6). */
export class Events {
  private rest = '';
  private type = '';
  private id = '';
  private data: string[] = [];

  /** Takes a piece of text and returns the events that it completes. */
  take(text: string): ServerEvent[] {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/); // a line may end in the middle of \r\n
    this.rest = lines.pop()!;
    return lines.map((line) => this.line(line)).filter((e) => e !== undefined);
  }

  private line(line: string): ServerEvent | undefined {
    if (line === '') return this.complete();
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') this.type = value;
    if (name === 'data') this.data.push(value);
    if (name === 'id' && !value.includes('\0')) this.id = value;
    return undefined;
  }

  private complete(): ServerEvent | undefined {
    const { type, data } = this;
    this.type = '';
    this.data = [];
    return data.length === 0 ? undefined : { type: type === '' ? 'message' : type, id: this.id, data: data.join('\n') };
  }
}

/** Reads a stream to its end, which is an ordinary one; throws ApiError where it is refused. The event with id last was the latest heard. */
export async function* listen(url: string, last: string, signal: AbortSignal): AsyncGenerator<ServerEvent> {
  const answer = await ask(url, { accept: 'text/event-stream', ...(last === '' ? {} : { 'last-event-id': last }) }, signal);
  if (answer.body === null) return;
  const events = new Events();
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield* events.take(value);
  }
}
