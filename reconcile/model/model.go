// Package model is the closing protocol written a second time, in plain Go maps
// with one row per event and hop, and a generator of histories to try it on.
//
// It owns the meaning of ADR 003 as a reader understands it without looking at
// the service, so that tests can hold the two against each other. It must not
// know SQL, bitmaps beyond the shape of a report, or any code of the service:
// it is imported by tests only, and clarity comes before speed.
package model

import (
	"slices"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// Settings are the stream settings that the protocol depends on.
type Settings struct {
	WindowSeconds       uint32
	Grace, Settle, Skew time.Duration
	Edges               []string // required edges as "a..b"; none when empty
}

// Model holds every report received for one stream. It is not safe for
// concurrent use. The zero value is not ready; use New.
type Model struct {
	settings Settings
	required [][2]string
	records  []*record
	numbers  map[emitterKey]map[uint64]time.Time // receipt by report number
	events   []event
	eventIDs map[string]int32
	rows     map[int64]map[emitterKey]row // by window start, Unix seconds

	sources *sightings // made when asked for, dropped when a report comes

	closedEmitters map[wire.UID]time.Time
	closedSources  map[wire.UID]time.Time
	closedLanes    map[laneKey]time.Time

	declared map[uint32][2]time.Time // replays: from and to by epoch
	waived   map[waivedKey]bool
	waivers  int // that covered something more than those before
}

// emitterKey is one emitter of a hop in one epoch.
type emitterKey struct {
	hop   string
	epoch uint32
	id    wire.UID
}

// laneKey is one partition of a hop.
type laneKey struct{ hop, lane string }

// event is one event, numbered by us (source set) or foreign (source zero).
type event struct {
	name   string
	source wire.UID
}

// row says, for each event that one emitter took over in one window, of which kinds it is.
type row map[int32]kindSet

// kindSet has bit k set when the event is in the roll of wire.Kind k.
type kindSet uint8

func (s kindSet) has(k wire.Kind) bool { return s&(1<<k) != 0 }

// record is one stored report, or one entry of a report's `ended`.
type record struct {
	emitterKey
	number     uint64 // of the report that carries it
	carrier    emitterKey
	after      []string
	sentAt     time.Time
	receivedAt time.Time
	closed     bool
	idempotent bool
	laneCount  uint32
	lanes      map[string]time.Time
	mentions   map[int64]bool
	counted    bool
	countedAt  time.Time
}

// New returns a model of one stream that has received nothing.
// Edges that are not of the form "a..b" are left out.
func New(s Settings) *Model {
	m := &Model{
		settings:       s,
		numbers:        map[emitterKey]map[uint64]time.Time{},
		eventIDs:       map[string]int32{},
		rows:           map[int64]map[emitterKey]row{},
		closedEmitters: map[wire.UID]time.Time{},
		closedSources:  map[wire.UID]time.Time{},
		closedLanes:    map[laneKey]time.Time{},
		declared:       map[uint32][2]time.Time{},
		waived:         map[waivedKey]bool{},
	}
	for _, edge := range s.Edges {
		if from, to, ok := strings.Cut(edge, ".."); ok {
			m.required = append(m.required, [2]string{from, to})
		}
	}
	return m
}

// Receive stores a report received at the given instant of the server's clock.
// A report of a number that is stored already changes nothing.
func (m *Model) Receive(r wire.Report, at time.Time) {
	key := emitterKey{r.Hop, r.Epoch, r.Emitter}
	if m.numbers[key] == nil {
		m.numbers[key] = map[uint64]time.Time{}
	}
	if _, stored := m.numbers[key][r.Number]; stored {
		return
	}
	m.numbers[key][r.Number] = at
	m.sources = nil
	m.records = append(m.records, m.reportRecord(r, key, at))
	for _, w := range r.Windows {
		m.addWindow(key, w)
	}
	for _, ended := range r.Ended {
		m.addEnded(r, ended, at)
	}
	m.recount()
}

// CloseEmitter records that a person closed an emitter from at on.
func (m *Model) CloseEmitter(id wire.UID, at time.Time) { keepEarliest(m.closedEmitters, id, at) }

// CloseSource records that a person closed a source from at on.
func (m *Model) CloseSource(id wire.UID, at time.Time) { keepEarliest(m.closedSources, id, at) }

// CloseLane records that a person closed a partition of a hop from at on.
func (m *Model) CloseLane(hop, lane string, at time.Time) {
	keepEarliest(m.closedLanes, laneKey{hop, lane}, at)
}

func keepEarliest[K comparable](closed map[K]time.Time, key K, at time.Time) {
	if old, ok := closed[key]; !ok || at.Before(old) {
		closed[key] = at
	}
}

// closedBy tells whether key was closed by a person from an instant not after s on.
func closedBy[K comparable](closed map[K]time.Time, key K, s time.Time) bool {
	at, ok := closed[key]
	return ok && !at.After(s)
}

func (m *Model) reportRecord(r wire.Report, key emitterKey, at time.Time) *record {
	rec := &record{
		emitterKey: key, number: r.Number, carrier: key, after: r.After, sentAt: r.SentAt, receivedAt: at,
		closed: r.State == wire.Closed, idempotent: r.Idempotent, laneCount: r.LaneCount, lanes: r.Lanes,
		mentions: map[int64]bool{},
	}
	for _, w := range r.Windows {
		rec.mentions[w.Start.Unix()] = true
	}
	return rec
}

func (m *Model) addWindow(key emitterKey, w wire.Window) {
	for _, source := range w.Sources {
		for kind, roll := range source.Rolls {
			if roll == nil {
				continue
			}
			for _, n := range roll.ToArray() {
				m.mark(w.Start, key, m.numbered(source.ID, n), wire.Kind(kind))
			}
		}
	}
	for _, f := range w.Foreign {
		m.addForeign(w.Start, key, f)
	}
}

func (m *Model) addForeign(start time.Time, key emitterKey, f wire.Foreign) {
	id := m.intern(f.UID, wire.UID{})
	marks := map[wire.Kind]bool{
		wire.Seen: f.Count > 0, wire.Repeated: f.Count > 1, wire.Corrupt: f.Corrupt > 0, wire.Invalid: f.Invalid > 0,
		wire.Filtered: f.Filtered > 0, wire.Rejected: f.Rejected > 0, wire.Skewed: f.Skewed > 0,
	}
	for kind, set := range marks {
		if set {
			m.mark(start, key, id, kind)
		}
	}
}

// addEnded stores an `ended` entry as one more report of the dead emitter: same hop, after, epoch and sentAt.
func (m *Model) addEnded(r wire.Report, ended wire.Ended, at time.Time) {
	carrier := emitterKey{r.Hop, r.Epoch, r.Emitter}
	dead := emitterKey{r.Hop, r.Epoch, ended.Emitter}
	rec := &record{
		emitterKey: dead, number: r.Number, carrier: carrier, after: r.After, sentAt: r.SentAt, receivedAt: at,
		closed: true, idempotent: r.Idempotent, mentions: map[int64]bool{},
	}
	for start, span := range ended.Windows {
		rec.mentions[start.Unix()] = true
		for n := uint64(span[0]); n <= uint64(span[1]); n++ {
			m.mark(start, dead, m.numbered(ended.Source, uint32(n)), wire.Seen)
		}
	}
	m.records = append(m.records, rec)
}

// mark adds one kind to one event of one emitter; every kind is a subset of seen.
func (m *Model) mark(start time.Time, key emitterKey, id int32, kind wire.Kind) {
	window := m.rows[start.Unix()]
	if window == nil {
		window = map[emitterKey]row{}
		m.rows[start.Unix()] = window
	}
	if window[key] == nil {
		window[key] = row{}
	}
	window[key][id] |= 1<<kind | 1<<wire.Seen
}

func (m *Model) numbered(source wire.UID, n uint32) int32 {
	return m.intern(source.WithSequence(n).String(), source)
}

func (m *Model) intern(name string, source wire.UID) int32 {
	id, ok := m.eventIDs[name]
	if !ok {
		id = int32(len(m.events))
		m.eventIDs[name] = id
		m.events = append(m.events, event{name, source})
	}
	return id
}

// recount finds which reports are counted: those of an emitter up to its first missing number.
// The epoch is no part of a report's identity, but no emitter has two.
func (m *Model) recount() {
	for _, r := range m.records {
		r.counted, r.countedAt = true, time.Time{}
		for n := uint64(1); n <= r.number; n++ {
			at, stored := m.numbers[r.carrier][n]
			if !stored {
				r.counted = false
				break
			}
			if at.After(r.countedAt) {
				r.countedAt = at
			}
		}
	}
	slices.SortStableFunc(m.records, func(a, b *record) int { return a.sentAt.Compare(b.sentAt) })
}
