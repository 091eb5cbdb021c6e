import { describe, expect, it } from 'vitest';
import rules from '../style/states.css?raw';
import css from '../style/tokens.css?raw';
import { absent, paint, spoken, words, worse } from './states';

const figures = { lost: 0, pending: 0, expected: 5, delivered: 5, produced: 5 };

describe('states', () => {
  it('gives every word of the API a paint, a shape and a name of its own', () => {
    expect(words.map((w) => [w, paint(w).tone, paint(w).shape, paint(w).label])).toEqual([
      ['complete', 'complete', 'tick', 'Complete'],
      ['open', 'open', 'dot', 'Open'],
      ['settling', 'settling', 'hatch', 'Settling'],
      ['unknown', 'unknown', 'question', 'Unknown'],
      ['incomplete', 'incomplete', 'cross', 'Incomplete'],
    ]);
  });

  it('lets nothing fall through to green', () => {
    const strangers = ['', 'Complete', 'COMPLETE', ' complete', 'complete ', 'ok', 'certified', 'lost', 'toString', '__proto__', 'constructor', 'hasOwnProperty', undefined, null, 0, 1, true, {}, ['complete']];
    for (const s of strangers) {
      expect(paint(s), JSON.stringify(s)).toMatchObject({ tone: 'unknown', shape: 'question', rank: 3 });
    }
    expect(absent.tone).not.toBe('complete');
  });

  it('says which word it did not know', () => {
    expect(paint('shiny').label).toBe('Unknown state "shiny"');
  });

  it('lets the worst win, and a stranger is worse than settling', () => {
    expect([...words].reverse().reduce<string>(worse, 'complete')).toBe('incomplete');
    expect(words.map((w) => paint(w).rank)).toEqual([0, 1, 2, 3, 4]);
    expect(worse('settling', 'shiny')).toBe('shiny');
    expect(worse('incomplete', 'shiny')).toBe('incomplete');
  });

  it('speaks the number with the state', () => {
    expect(spoken('incomplete', { ...figures, lost: 12 }, String)).toBe('incomplete, 12 lost');
    expect(spoken('settling', { ...figures, pending: 3 }, String)).toBe('settling, 3 pending');
    expect(spoken('complete', { ...figures, produced: 0 }, String)).toBe('complete, no events');
    expect(spoken('complete', figures, String)).toBe('complete');
  });

  it('has a colour rule for every tone, in words no other tone uses', () => {
    for (const tone of [...words.map((w) => paint(w).tone), absent.tone]) expect(rules, tone).toContain(`.tone-${tone}`);
  });
});

describe('colours', () => {
  const tokens = (block: string) => Object.fromEntries([...block.matchAll(/--([a-z-]+):\s*(#[0-9a-f]{6})/g)].map((m) => [m[1]!, m[2]!]));
  const [light, dark] = ['light', 'dark'].map((name) => tokens(css.split(`/* ${name} */`)[1]!.split('}')[0]!)) as [Record<string, string>, Record<string, string>];

  const luminance = (hex: string) => {
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: string, b: string) => {
    const [hi, lo] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
    return (hi + 0.05) / (lo + 0.05);
  };
  const hues = ['complete', 'pending', 'unknown', 'lost', 'duplicated'];

  it('are marks at 3:1 and text at 4.5:1 in both themes', () => {
    for (const [name, theme] of Object.entries({ light, dark })) {
      for (const hue of hues) {
        expect(contrast(theme[hue]!, theme.surface!), `${name} ${hue} as mark`).toBeGreaterThanOrEqual(3);
        expect(contrast(theme[`${hue}-text`]!, theme.surface!), `${name} ${hue} as text`).toBeGreaterThanOrEqual(4.5);
        expect(contrast(theme[`${hue}-text`]!, theme.raised!), `${name} ${hue} on raised`).toBeGreaterThanOrEqual(4.5);
      }
      for (const text of ['text', 'quiet', 'accent']) expect(contrast(theme[text]!, theme.raised!), `${name} ${text}`).toBeGreaterThanOrEqual(4.5);
    }
  });
});
