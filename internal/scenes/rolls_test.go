package scenes

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

func (m *memory) SourceRolls(_ context.Context, windows []store.WindowKey, from wire.UID) iter.Seq2[store.SourceRolls, error] {
	return func(yield func(store.SourceRolls, error) bool) {
		for _, one := range m.sourceRolls(windows) {
			before := one.WindowKey == windows[0] && bytes.Compare(one.Source[:], from[:]) < 0
			if !before && !yield(one, nil) {
				return
			}
		}
	}
}

func (m *memory) sourceRolls(windows []store.WindowKey) []store.SourceRolls {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []store.SourceRolls
	for _, key := range windows {
		for source, sets := range m.rolls[key] {
			one := store.SourceRolls{WindowKey: key, Source: source}
			for _, set := range sets {
				one.Sets = append(one.Sets, *set)
			}
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b store.SourceRolls) int {
		return cmp.Or(a.Start.Compare(b.Start), bytes.Compare(a.Source[:], b.Source[:]))
	})
	return all
}

func (m *memory) EmitterRolls(_ context.Context, keys []store.RollKey, _ uint64) iter.Seq2[store.EmitterRoll, error] {
	return func(yield func(store.EmitterRoll, error) bool) {
		for _, key := range keys {
			for emitter, seen := range m.byEmitter[key] {
				if !yield(store.EmitterRoll{RollKey: key, Emitter: emitter, Seen: seen}, nil) {
					return
				}
			}
		}
	}
}

func (m *memory) ForeignEvents(context.Context, []store.WindowKey, string) iter.Seq2[store.ForeignEvent, error] {
	return func(func(store.ForeignEvent, error) bool) {}
}

func (m *memory) HopTallies(_ context.Context, windows []store.WindowKey) (map[store.HopWindow]store.HopTally, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[store.HopWindow]store.HopTally{}
	for at, n := range m.tallies {
		if slices.Contains(windows, at.WindowKey) {
			found[at] = n
		}
	}
	return found, nil
}

func (m *memory) Announced(_ context.Context, windows []store.WindowKey) (map[store.WindowKey][]store.Announced, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[store.WindowKey][]store.Announced{}
	for _, key := range windows {
		found[key] = slices.Clone(m.announced[key])
	}
	return found, nil
}

func (m *memory) Announcers(_ context.Context, since map[string]time.Time) (map[string][]store.HopEmitter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string][]store.HopEmitter{}
	for key, announced := range m.announced {
		from, asked := since[key.Stream]
		for _, a := range announced {
			if asked && !key.Start.Before(from) {
				found[key.Stream] = append(found[key.Stream], store.HopEmitter{Hop: a.Hop, Emitter: a.Emitter})
			}
		}
	}
	return found, nil
}

func (m *memory) KeepClosedSeen(_ context.Context, hops []store.HopWindow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range hops {
		for _, sets := range m.rolls[h.WindowKey] {
			for key, set := range sets {
				if key.hop == h.Hop && set.ClosedSeen == nil && set.Rolls[wire.Seen] != nil {
					set.ClosedSeen = set.Rolls[wire.Seen].Clone()
				}
			}
		}
	}
	return nil
}

func (m *memory) SourceHosts(_ context.Context, stream string, sources []wire.UID) (map[wire.UID]map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[wire.UID]map[string]string{}
	for _, source := range sources {
		if row := m.sources[stream][source]; row != nil {
			found[source] = maps.Clone(row.hosts)
		}
	}
	return found, nil
}

func (m *memory) SchemaOutcomes(_ context.Context, stream, hop string, _, _ time.Time) (map[store.SchemaOutcome]uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.schemas[stream+hop]), nil
}
