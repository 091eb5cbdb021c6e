import { describe, expect, it } from 'vitest';
import type { Objective } from '../../api/objectives';
import { budget } from '../../state/objectives';
import { goalText, leftText, objectivesText, spanText, targetText } from './text';

const base: Objective = { objective: 'completeness', target: 0.9999, days: 28, events: 1000, bad: 0, share: 1, budgetLeft: 1, burn: [], alarms: [] };
const plain = (text: string) => text.replace(/\u202f/g, ' ');

describe('an objective', () => {
  it('has a word and a shape, and only one with something left that does not burn looks well', () => {
    const say = (more: Partial<Objective>) => [budget({ ...base, ...more }).label, budget({ ...base, ...more }).shape];
    expect(say({})).toEqual(['Within budget', 'tick']);
    expect(say({ budgetLeft: 0 })).toEqual(['Budget used up', 'cross']);
    expect(say({ budgetLeft: -3, alarms: ['x'] })).toEqual(['Budget used up', 'cross']);
    expect(say({ alarms: ['14.4 over 1 h and 5 min'] })).toEqual(['Burning too fast', 'hatch']);
    expect(say({ events: 0 })).toEqual(['No events', 'blank']);
    expect(say({ budgetLeft: Number.NaN })).toEqual(['Budget not known', 'question']);
  });
  it('says what is left, floored, and never all while something is used up', () => {
    expect([1, 0.9999, 0.5, 0.29, 0, -0.0001, -2.5, -956.4468].map((x) => plain(leftText(x)))).toEqual(['100 %', '99.9 %', '50 %', '29 %', '0 %', '−0.1 %', '−250 %', '−95 644.7 %']);
    expect(plain(targetText(0.9999999999))).toBe('99.999999 %');
    expect([0.9999, 0.99, 0.29, 1].map((x) => plain(targetText(x)))).toEqual(['99.99 %', '99 %', '29 %', '100 %']);
  });
  it('says what must hold', () => {
    expect(plain(goalText(base))).toBe('99.99 % arrive');
    expect(plain(goalText({ ...base, objective: 'latency', target: 0.99, thresholdMillis: 30_000 }))).toBe('99 % are at the last hop within 30 s');
    expect(plain(goalText({ ...base, objective: 'new', target: 0.9 }))).toBe('90 %');
  });
});

it('all of them are answered in one sentence, the worst first', () => {
  expect(objectivesText([base])).toBe('1 objective; no budget is used up, and none burns too fast.');
  expect(objectivesText([{ ...base, alarms: ['x'] }, { ...base, objective: 'validity', budgetLeft: -1 }])).toBe(
    'Of 2 objectives, the budget of validity is used up and the budget of completeness burns too fast to last.');
  expect(objectivesText([{ ...base, alarms: ['x'] }])).toBe('The budget of completeness burns too fast to last.');
  expect(objectivesText([{ ...base, alarms: ['x'] }, { ...base, objective: 'validity', alarms: ['x'] }])).toBe('Of 2 objectives, the budgets of completeness and validity burn too fast to last.');
});

it('spans are short', () => {
  expect([300_000, 3_600_000, 21_600_000, 259_200_000].map((ms) => plain(spanText(ms)))).toEqual(['5 min', '1 h', '6 h', '3 d']);
});
