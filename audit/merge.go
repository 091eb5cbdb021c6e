package audit

import (
	"maps"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// mergeReports joins two reports of one emitter, b the later: rolls are united,
// counters are the larger, watermarks the later. The result shares nothing that a
// later merge would change with a report in flight.
func mergeReports(a, b wire.Report) wire.Report {
	b.Windows = mergeWindows(a.Windows, b.Windows)
	b.Lanes = mergeLanes(a.Lanes, b.Lanes)
	b.LaneCount = max(a.LaneCount, b.LaneCount)
	b.Ended = mergeEnded(a.Ended, b.Ended)
	b.State = max(a.State, b.State)
	return b
}

func mergeLanes(a, b map[string]time.Time) map[string]time.Time {
	if len(a) == 0 {
		return b
	}
	out := maps.Clone(a)
	for lane, at := range b {
		if at.After(out[lane]) {
			out[lane] = at
		}
	}
	return out
}

func mergeEnded(a, b []wire.Ended) []wire.Ended {
	out := slices.Clone(a)
	for _, e := range b {
		same := func(o wire.Ended) bool { return o.Emitter == e.Emitter && o.Source == e.Source }
		if !slices.ContainsFunc(a, same) {
			out = append(out, e)
		}
	}
	return out
}

func mergeWindows(a, b []wire.Window) []wire.Window {
	at := make(map[int64]int, len(a))
	out := slices.Clone(a)
	for i := range a {
		at[a[i].Start.UnixMilli()] = i
	}
	for _, w := range b {
		if i, ok := at[w.Start.UnixMilli()]; ok {
			out[i] = mergeWindow(out[i], w)
		} else {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(x, y wire.Window) int { return x.Start.Compare(y.Start) })
	return out
}

func mergeWindow(a, b wire.Window) wire.Window {
	a.Sources = mergeSources(a.Sources, b.Sources)
	a.Foreign = mergeForeign(a.Foreign, b.Foreign)
	a.Latency = mergeLatency(a.Latency, b.Latency)
	a.Schemas = mergeCounts(a.Schemas, b.Schemas, func(t *wire.SchemaTally) *uint64 { return &t.Count })
	a.Reasons = mergeCounts(a.Reasons, b.Reasons, func(t *wire.ReasonTally) *uint64 { return &t.Count })
	a.Unplaced = wire.Unplaced{
		TooOld: max(a.Unplaced.TooOld, b.Unplaced.TooOld), TooNew: max(a.Unplaced.TooNew, b.Unplaced.TooNew),
		Unreadable: max(a.Unplaced.Unreadable, b.Unplaced.Unreadable), NoUID: max(a.Unplaced.NoUID, b.Unplaced.NoUID),
	}
	return a
}

func mergeSources(a, b []wire.Source) []wire.Source {
	at := make(map[UID]int, len(a))
	out := slices.Clone(a)
	for i := range a {
		at[a[i].ID] = i // of a roll that was cut, the last piece: pieces are united again here
	}
	for _, s := range b {
		i, ok := at[s.ID]
		if !ok {
			at[s.ID] = len(out)
			out = append(out, s)
			continue
		}
		for k := range s.Rolls {
			out[i].Rolls[k] = union(out[i].Rolls[k], s.Rolls[k])
		}
		out[i].Observations = max(out[i].Observations, s.Observations)
		out[i].Bytes = max(out[i].Bytes, s.Bytes)
	}
	return out
}

func union(a, b *roaring.Bitmap) *roaring.Bitmap {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	out := roaring.Or(a, b)
	out.RunOptimize()
	return out
}

func mergeForeign(a, b []wire.Foreign) []wire.Foreign {
	at := make(map[string]int, len(a))
	out := slices.Clone(a)
	for i := range a {
		at[a[i].UID] = i
	}
	for _, f := range b {
		if i, ok := at[f.UID]; ok {
			out[i] = f // cumulative, and b is the later
		} else {
			out = append(out, f)
		}
	}
	return out
}

func mergeLatency(a, b *wire.Latency) *wire.Latency {
	if b == nil {
		return a
	}
	return b // cumulative, and b is the later
}

// mergeCounts joins cumulative tallies; count gives the one field that is no key.
func mergeCounts[T comparable](a, b []T, count func(*T) *uint64) []T {
	key := func(t T) T { *count(&t) = 0; return t }
	at := make(map[T]int, len(a))
	out := slices.Clone(a)
	for i := range a {
		at[key(a[i])] = i
	}
	for _, t := range b {
		if i, ok := at[key(t)]; ok {
			*count(&out[i]) = max(*count(&out[i]), *count(&t))
		} else {
			out = append(out, t)
		}
	}
	return out
}
