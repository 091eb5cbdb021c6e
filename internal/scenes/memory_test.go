package scenes

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile"
)

// memory is a store behind the interfaces of reconcile and notify, for scenes of one or few streams. It keeps what the real one keeps, in the simplest
// form that gives the same answers; emitters number their reports without gaps, and a source is covered when a hop without one before it names it.
type memory struct {
	unasked

	mu        sync.Mutex
	settings  map[string]store.Settings
	reports   map[string][]store.Report
	emitters  map[string]map[emitterKey]*store.Emitter
	hops      map[string]map[setKey]*store.HopSummary
	sources   map[string]map[wire.UID]*sourceRow
	rolls     map[store.WindowKey]map[wire.UID]map[setKey]*store.RollSet
	byEmitter map[store.RollKey]map[wire.UID]*roaring.Bitmap
	announced map[store.WindowKey][]store.Announced
	schemas   map[string]map[store.SchemaOutcome]uint64
	tallies   map[store.HopWindow]store.HopTally
	moves     map[string]store.WatermarkMove
	closings  map[string][]store.Closing
	marks     map[uint64]store.Mark
	progress  map[string]store.Progress
	kept
}

// unasked is what a reader may ask of a store, and in no scene does.
type unasked struct{ reconcile.ReaderStore }

type emitterKey struct {
	hop string
	id  wire.UID
}

type setKey struct {
	hop   string
	epoch uint32
}

// sourceRow is which hops reported a source, and since which window.
type sourceRow struct {
	hosts   map[string]string
	first   time.Time
	covered bool
}

func newMemory() *memory {
	return &memory{
		settings: map[string]store.Settings{}, reports: map[string][]store.Report{}, emitters: map[string]map[emitterKey]*store.Emitter{},
		hops: map[string]map[setKey]*store.HopSummary{}, sources: map[string]map[wire.UID]*sourceRow{},
		rolls: map[store.WindowKey]map[wire.UID]map[setKey]*store.RollSet{}, byEmitter: map[store.RollKey]map[wire.UID]*roaring.Bitmap{},
		announced: map[store.WindowKey][]store.Announced{}, schemas: map[string]map[store.SchemaOutcome]uint64{}, tallies: map[store.HopWindow]store.HopTally{}, closings: map[string][]store.Closing{},
		marks: map[uint64]store.Mark{}, progress: map[string]store.Progress{}, kept: newKept(),
	}
}

// obtain is the value of a key, made where there is none.
func obtain[K comparable, V any](m map[K]V, key K, made func() V) V {
	v, there := m[key]
	if !there {
		v = made()
		m[key] = v
	}
	return v
}

func made[K comparable, V any]() map[K]V { return map[K]V{} }

// Insert is that of store.Store.
func (m *memory) Insert(_ context.Context, reports []store.Received) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range reports {
		r := &reports[i]
		m.addReport(r)
		m.addEmitter(r)
		for n := range r.Windows {
			m.addWindow(r, &r.Windows[n])
			m.mark(store.Mark{WindowKey: store.WindowKey{Stream: r.Stream, Start: r.Windows[n].Start}})
		}
		m.mark(store.Mark{WindowKey: store.WindowKey{Stream: r.Stream}, Since: r.SentAt})
	}
	return nil
}

func (m *memory) addReport(r *store.Received) {
	lanes := map[string]int64{}
	for lane, mark := range r.Lanes {
		lanes[lane] = mark.UnixMilli()
	}
	var windows []time.Time
	for n := range r.Windows {
		windows = append(windows, r.Windows[n].Start)
	}
	m.reports[r.Stream] = append(m.reports[r.Stream], store.Report{
		Stream: r.Stream, Hop: r.Hop, Emitter: r.Emitter, Carrier: r.Emitter, Number: r.Number, Digest: wire.Digest(r.Report), Epoch: r.Epoch,
		SentAt: r.SentAt.UnixMilli(), ReceivedAt: r.At.UnixMilli(), Closed: r.State == wire.Closed, Lanes: lanes, Windows: windows, After: r.After, Host: r.Host,
	})
}

func (m *memory) addEmitter(r *store.Received) {
	key := emitterKey{r.Hop, r.Emitter}
	e := obtain(obtain(m.emitters, r.Stream, made[emitterKey, *store.Emitter]), key, func() *store.Emitter {
		return &store.Emitter{Stream: r.Stream, Hop: r.Hop, ID: r.Emitter, Epoch: r.Epoch, Host: r.Host, After: r.After, FirstSent: r.SentAt}
	})
	e.Heartbeat, e.LastSent, e.LastReceived = time.Duration(r.Heartbeat)*time.Second, r.SentAt, r.At
	e.Highest, e.Stored, e.Counted, e.SpoolEvents = r.Number, e.Stored+1, e.Counted+1, r.Spool.Events
	if r.State == wire.Closed {
		e.ClosedAt = r.SentAt
	}
	h := obtain(obtain(m.hops, r.Stream, made[setKey, *store.HopSummary]), setKey{r.Hop, r.Epoch}, func() *store.HopSummary {
		return &store.HopSummary{
			Hop: r.Hop, Epoch: r.Epoch, FirstSent: r.SentAt.UnixMilli(), AfterFirst: map[string]int64{}, LaneFirst: map[string]int64{}, LaneCounts: map[uint32]int64{},
		}
	})
	for _, hop := range r.After {
		obtain(h.AfterFirst, hop, r.SentAt.UnixMilli)
	}
	for lane := range r.Lanes {
		obtain(h.LaneFirst, lane, r.SentAt.UnixMilli)
	}
}

func (m *memory) addWindow(r *store.Received, w *wire.Window) {
	key := store.WindowKey{Stream: r.Stream, Start: w.Start}
	m.announced[key] = append(m.announced[key], store.Announced{Hop: r.Hop, Emitter: r.Emitter, Number: r.Number, Digest: wire.Digest(r.Report)})
	if p, known := m.progress[r.Stream]; !known || w.Start.Before(p.Earliest) {
		m.progress[r.Stream] = store.Progress{Stream: r.Stream, Earliest: w.Start}
	}
	for _, t := range w.Schemas { // scenes state what is new, not what there is altogether
		obtain(m.schemas, r.Stream+r.Hop, made[store.SchemaOutcome, uint64])[store.SchemaOutcome{ID: t.ID, Version: t.Version, Outcome: t.Outcome}] += t.Count
		if at := (store.HopWindow{WindowKey: key, Hop: r.Hop}); t.Outcome != "UNKNOWN_SCHEMA" {
			m.tallies[at] = store.HopTally{Checked: m.tallies[at].Checked + t.Count}
		}
	}
	for n := range w.Sources {
		src := &w.Sources[n]
		row := obtain(obtain(m.sources, r.Stream, made[wire.UID, *sourceRow]), src.ID, func() *sourceRow { return &sourceRow{hosts: map[string]string{}, first: w.Start} })
		row.hosts[r.Hop], row.covered = r.Host, row.covered || len(r.After) == 0
		sets := obtain(obtain(m.rolls, key, made[wire.UID, map[setKey]*store.RollSet]), src.ID, made[setKey, *store.RollSet])
		set := obtain(sets, setKey{r.Hop, r.Epoch}, func() *store.RollSet { return &store.RollSet{Hop: r.Hop, Epoch: r.Epoch} })
		for kind, roll := range src.Rolls {
			if roll != nil {
				set.Rolls[kind] = joined(set.Rolls[kind], roll)
			}
		}
		own := obtain(m.byEmitter, store.RollKey{WindowKey: key, Hop: r.Hop, Epoch: r.Epoch, Source: src.ID}, made[wire.UID, *roaring.Bitmap])
		own[r.Emitter] = joined(own[r.Emitter], src.Rolls[wire.Seen])
		set.Cards += src.Rolls[wire.Seen].GetCardinality()
	}
}

func joined(a, b *roaring.Bitmap) *roaring.Bitmap {
	if a == nil {
		return b.Clone()
	}
	return roaring.Or(a, b)
}

func (m *memory) mark(mark store.Mark) {
	if mark.Token == 0 {
		mark.Token = rand.Uint64() | 1
	}
	m.marks[mark.Token] = mark
}

// Close has a person close an emitter from an instant on.
func (m *memory) close(c store.Closing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closings[c.Stream] = append(m.closings[c.Stream], c)
	m.mark(store.Mark{WindowKey: store.WindowKey{Stream: c.Stream}, Since: time.UnixMilli(1)})
}

func (m *memory) marked(keep func(store.Mark) bool) []store.Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []store.Mark
	for _, mark := range m.marks {
		if keep(mark) {
			found = append(found, mark)
		}
	}
	slices.SortFunc(found, func(a, b store.Mark) int {
		return cmp.Or(a.Due.Compare(b.Due), a.Start.Compare(b.Start), cmp.Compare(a.Token, b.Token))
	})
	return found
}

func (m *memory) DueMarks(_ context.Context, now time.Time, limit int) ([]store.Mark, error) {
	found := m.marked(func(mark store.Mark) bool { return !mark.Due.After(now) })
	return found[:min(limit, len(found))], nil
}

func (m *memory) MarksOf(_ context.Context, streams []string) ([]store.Mark, error) {
	return m.marked(func(mark store.Mark) bool { return slices.Contains(streams, mark.Stream) }), nil
}

func (m *memory) ReplaceMarks(_ context.Context, old, next []store.Mark) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mark := range old {
		delete(m.marks, mark.Token)
	}
	for _, mark := range next {
		m.mark(mark)
	}
	return nil
}

func (m *memory) ProgressOf(_ context.Context, streams []string) (map[string]store.Progress, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string]store.Progress{}
	for _, stream := range streams {
		if p, known := m.progress[stream]; known {
			found[stream] = p
		}
	}
	return found, nil
}

func (m *memory) SetProgress(_ context.Context, all []store.Progress, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range all {
		m.progress[p.Stream] = p
	}
	return nil
}

func (m *memory) Settings(_ context.Context, streams []string) (map[string]store.Settings, error) {
	found := map[string]store.Settings{}
	for _, stream := range streams {
		if s, given := m.settings[stream]; given {
			found[stream] = s
		} else {
			found[stream] = store.DefaultSettings(stream)
		}
	}
	return found, nil
}

func (m *memory) EpochsOf(context.Context, []string) (map[string][]store.Epoch, error) {
	return nil, nil
}

func (m *memory) LastWatermarks(_ context.Context, streams []string, _ time.Time) (map[string]store.WatermarkMove, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string]store.WatermarkMove{}
	for _, name := range streams {
		if move, known := m.moves[name]; known {
			found[name] = move
		}
	}
	return found, nil
}

func (m *memory) AddWatermarks(_ context.Context, moves []store.WatermarkMove) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, move := range moves {
		if m.moves == nil {
			m.moves = map[string]store.WatermarkMove{}
		}
		m.moves[move.Stream] = move
	}
	return nil
}

func (m *memory) WaivedOf(context.Context, []store.WindowKey) (map[store.WindowKey][]store.WaivedName, error) {
	return nil, nil
}

func (m *memory) ClosingsOf(context.Context, []string) (map[string][]store.Closing, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.closings), nil
}

// Reports come in the order of their receipt, so that those from an instant on are the last.
func (m *memory) Reports(_ context.Context, streams []string, since time.Time) (map[string][]store.Report, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string][]store.Report{}
	for _, stream := range streams {
		all := m.reports[stream]
		n, _ := slices.BinarySearchFunc(all, since.UnixMilli(), func(r store.Report, at int64) int { return cmp.Compare(r.ReceivedAt, at) })
		found[stream] = slices.Clone(all[n:])
	}
	return found, nil
}

func (m *memory) EmittersSince(_ context.Context, streams []string, since time.Time) (map[string][]store.Emitter, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string][]store.Emitter{}
	for _, stream := range streams {
		for _, e := range m.emitters[stream] {
			if e.ClosedAt.IsZero() || !e.ClosedAt.Before(since) {
				found[stream] = append(found[stream], *e)
			}
		}
	}
	return found, nil
}

func (m *memory) Hops(_ context.Context, streams []string) (map[string][]store.HopSummary, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string][]store.HopSummary{}
	for _, stream := range streams {
		for _, h := range m.hops[stream] {
			found[stream] = append(found[stream], *h)
		}
	}
	return found, nil
}

func (m *memory) UncoveredSources(_ context.Context, queries []store.UncoveredQuery) (map[string][]store.Uncovered, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[string][]store.Uncovered{}
	for _, q := range queries {
		for source, row := range m.sources[q.Stream] {
			if !row.covered {
				found[q.Stream] = append(found[q.Stream], store.Uncovered{Source: source, Since: row.first})
			}
		}
	}
	return found, nil
}
