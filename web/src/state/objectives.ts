// How an objective stands, in words with shapes. What is not plainly within its budget is not shown as such.
import type { Objective } from '../api/objectives';
import { absent, paint, type Paint } from './states';

/** Used up before burning before within; without events there is nothing to say. */
export function budget(o: Pick<Objective, 'budgetLeft' | 'events' | 'alarms'>): Paint {
  if (o.budgetLeft <= 0) return { ...paint('incomplete'), label: 'Budget used up', meaning: 'more was bad than the target allows' };
  if ((o.alarms ?? []).length > 0) return { ...paint('settling'), label: 'Burning too fast', meaning: 'at this rate the budget does not last' };
  if (o.events === 0) return { ...absent, label: 'No events', meaning: 'nothing was counted' };
  if (o.budgetLeft > 0) return { ...paint('complete'), label: 'Within budget', meaning: 'less was bad than the target allows' };
  return { ...paint('unknown'), label: 'Budget not known', meaning: 'the server told no figure' };
}
