// The hours of the grid: asked for once, then only those that live verdicts touched.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { useAnswer, type Answer } from '../../api/answer';
import { getAll } from '../../api/client';
import type { Hour } from '../../api/types';
import { onCertificate, onChange } from '../../live/connection';
import { floorHour, hourMs, hourStart, stamp } from '../../text/time';

/** Stream → hour key → hour. The inner map is a new one only when an hour of the stream changed. */
export type Matrix = ReadonlyMap<string, ReadonlyMap<string, Hour>>;

const refetchEvery = 2000;
const mostRows = 20_000;

const ask = (from: number, to: number, signal?: AbortSignal) =>
  getAll<Hour>(['hours'], { from: stamp(from), to: stamp(to), limit: mostRows }, signal);

/** Puts hours into the matrix; streams without a changed hour keep their map. */
export function merge(old: Matrix, hours: Hour[]): Matrix {
  const next = new Map(old);
  for (const h of hours) {
    const before = next.get(h.stream);
    if (before !== undefined && JSON.stringify(before.get(h.hour)) === JSON.stringify(h)) continue;
    const row = before === undefined || before === old.get(h.stream) ? new Map(before) : (before as Map<string, Hour>);
    row.set(h.hour, h);
    next.set(h.stream, row);
  }
  return next;
}

/** Hours already shown and touched since, merged into what was asked for. */
export function useHours(from: number, to: number): Answer<Matrix> {
  const [all, setAll] = useState(0);
  const answer = useAnswer(`hours ${from} ${to}`, (signal) => ask(from, to, signal), all);
  const [later, setLater] = useState<{ base: Hour[] | undefined; matrix: Matrix }>({ base: undefined, matrix: new Map() });
  const base = useMemo(() => merge(new Map(), answer.data ?? []), [answer.data]);

  useEffect(() => {
    const touched = new Set<number>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const refetch = () => {
      timer = undefined;
      const first = Math.min(...touched);
      const end = Math.max(...touched) + hourMs;
      touched.clear();
      ask(first, end).then(
        (hours) => setLater((l) => ({ base: answer.data, matrix: merge(l.base === answer.data ? l.matrix : base, hours.filter((h) => within(h, from, to))) })),
        () => undefined, // the next change asks again; long silence is told as Stale
      );
    };
    const touch = (hours: number[]) => {
      for (const hour of hours) touched.add(hour);
      if (touched.size > 0) timer ??= setTimeout(refetch, refetchEvery);
    };
    const stop = onChange((items) => {
      if (items === 'all') setAll((n) => n + 1);
      else touch(items.map((w) => floorHour(Date.parse(w.start))));
    });
    const stopCertificates = onCertificate((hour) => touch([hourStart(hour)].filter((h) => !Number.isNaN(h))));
    return () => { stop(); stopCertificates(); clearTimeout(timer); };
  }, [from, to, answer.data]);

  const shown = later.base !== undefined && later.base === answer.data ? later.matrix : base;
  return { ...answer, data: answer.data === undefined ? undefined : shown };
}

const within = (h: Hour, from: number, to: number) => hourStart(h.hour) >= from && hourStart(h.hour) < to;
