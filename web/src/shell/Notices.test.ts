import { expect, it } from 'vitest';
import type { Status } from '../api/types';
import { warnings } from './Notices';

const well: Status = { version: '1', store: 'ok', kafka: 'ok', ingestLag: 0, reports: 1, quarantined: 0, lastPassMillis: 3, reconcileAgeMillis: 800, dirty: 0 };

it('is silent while the auditor is well and speaks of each thing that makes verdicts late or blind', () => {
  expect(warnings(well)).toEqual([]);
  expect(warnings({ ...well, kafka: 'off' })).toEqual([]);
  expect(warnings({ ...well, store: 'away', kafka: 'away', reconcileAgeMillis: 60_000, quarantined: 2 })).toHaveLength(4);
});
