import { useAnswer } from '../../api/answer';
import { address, get, getAll } from '../../api/client';
import type { Call, IncidentDetail, Silence } from '../../api/incidents';
import { live, useRefresh } from '../../live/connection';
import type { Shown } from './sentence';

/** Rises when an incident changed, or when a change may have been missed. */
export function useChanges(): number {
  return useRefresh(() => false) + live.value.incidents;
}

export function useIncidents(shown: Shown, stream: string | undefined) {
  const load = (signal: AbortSignal) => getAll<Call>(['incidents'], { state: shown === 'all' ? undefined : shown, stream }, signal);
  return useAnswer(`incidents ${shown} ${stream ?? ''}`, load, useChanges());
}

export function useIncident(id: string) {
  return useAnswer(`incident ${id}`, (signal) => get<IncidentDetail>(address(['incidents', id]), signal), useChanges());
}

export function useSilences(refresh: number) {
  return useAnswer('silences', (signal) => getAll<Silence>(['silences'], {}, signal), refresh);
}
