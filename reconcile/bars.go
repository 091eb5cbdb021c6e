package reconcile

import (
	"context"
	"slices"

	"github.com/rollcallhq/rollcall/internal/store"
)

// noTraffic bars an hour without any event of a stream that expects some, until it is waived.
const noTraffic = "no-traffic"

// bars are what stands in the way of a certificate of the hour, by code.
func bars(h *store.Hour, s *store.Settings) []string {
	var all []string
	add := func(code string, is bool) {
		if is && !slices.Contains(s.Allow, code) {
			all = append(all, code)
		}
	}
	if len(s.Edges) == 0 {
		all = append(all, store.BarEdges)
	}
	switch h.Held {
	case store.Open:
		all = append(all, store.BarRunning)
	case store.Settling, store.Unknown:
		all = append(all, h.Held.String())
	}
	for _, bar := range store.EventBars() {
		events, waived := h.Bad(bar)
		add(bar, events > waived)
	}
	add(noTraffic, s.ExpectTraffic && h.Produced == 0)
	return all
}

// sameStart returns the verdicts of the window that the i-th one is of; all is in the order of starts.
func sameStart(all []store.Verdict, i int) []store.Verdict {
	from, to := i, i+1
	for from > 0 && all[from-1].Start.Equal(all[i].Start) {
		from--
	}
	for to < len(all) && all[to].Start.Equal(all[i].Start) {
		to++
	}
	return all[from:to]
}

// dropWaivedBars takes from the hours the bar of no traffic where somebody waived it.
func dropWaivedBars(ctx context.Context, s contentStore, hours []store.Hour) error {
	var keys []store.WindowKey
	for i := range hours {
		if slices.Contains(hours[i].Bars, noTraffic) {
			keys = append(keys, store.WindowKey{Stream: hours[i].Stream, Start: hours[i].Start})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	found, err := s.WaivedOf(ctx, keys)
	if err != nil {
		return err
	}
	for i := range hours {
		names := found[store.WindowKey{Stream: hours[i].Stream, Start: hours[i].Start}]
		if slices.ContainsFunc(names, func(n store.WaivedName) bool { return n.Kind == store.WaiveNoTraffic }) {
			hours[i].Bars = slices.DeleteFunc(hours[i].Bars, func(bar string) bool { return bar == noTraffic })
		}
	}
	return nil
}
