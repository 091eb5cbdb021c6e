// @vitest-environment happy-dom
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { expect, it } from 'vitest';
import { TokenPage } from './TokenPage';

// The server's answer to a token may come before the page that asked for it is gone. What was wrong with the word typed before then
// stood in the place of the server's reason, and stayed there.
it("says the server's reason after a word that was no token, though it was never away", () => {
  const root = document.createElement('div');
  const show = (reason: string) => act(() => render(<TokenPage reason={reason} />, root));
  const type = (text: string) => act(() => {
    root.querySelector<HTMLInputElement>('#token')!.value = text;
    root.querySelector('form')!.dispatchEvent(new Event('submit', { cancelable: true }));
  });
  const alert = () => root.querySelector('[role=alert]')?.textContent;
  void show('');
  void type('two words');
  expect(alert()).toMatch(/one word/);
  void type('t-wrong');
  void show('the token is not known here');
  expect(alert()).toBe('the token is not known here');
});
