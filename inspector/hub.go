package inspector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

const (
	hubRing          = 512 // events kept for readers that come back
	readerQueue      = 64  // events a reader may be behind before it is dropped
	eventRows        = 500 // verdicts in one event
	resubscribe      = time.Second
	verdictEvent     = "verdicts"
	incidentEvent    = "incident"
	certificateEvent = "certificate"
	watermarkEvent   = "watermark"
)

// errFull says that no more live streams are taken, errStopped that the server ends.
var (
	errFull    = errors.New("too many live streams")
	errStopped = errors.New("the server is stopping")
)

// describe tells incidents with what people said of them.
type describe func(context.Context, []store.Incident) ([]api.Incident, error)

// hub passes changed verdicts and incidents, new certificates, and watermarks that stepped back on to the live streams and keeps the latest, so that a
// reader that comes back with its last event id misses none. A reader that is too slow is dropped, and begins again with a snapshot.
type hub struct {
	feed    Feed
	tell    describe
	most    int
	boot    string // begins every event id: numbers of another run mean nothing here
	dropped prometheus.Counter

	mu      sync.Mutex
	seq     uint64
	ring    []api.Event // consecutive, the last has number seq
	readers map[*reader]struct{}
	ended   bool

	quit    chan struct{}
	done    chan struct{}
	started bool
}

// reader is one live stream; its channel is closed when it was dropped or the hub ends.
type reader struct{ events chan api.Event }

func newHub(feed Feed, tell describe, most int, now time.Time, dropped prometheus.Counter) *hub {
	return &hub{
		feed: feed, tell: tell, most: most, boot: strconv.FormatInt(now.UnixMilli(), 36), dropped: dropped,
		readers: map[*reader]struct{}{}, quit: make(chan struct{}), done: make(chan struct{}),
	}
}

func (h *hub) start() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.started || h.ended {
		return
	}
	h.started = true
	go h.run()
}

// stop ends all live streams and waits for run.
func (h *hub) stop(ctx context.Context) error {
	h.mu.Lock()
	first, started := !h.ended, h.started
	h.ended = true
	h.forget()
	h.mu.Unlock()
	if first {
		close(h.quit)
	}
	if !started {
		return nil
	}
	select {
	case <-h.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("inspector: stop the live streams: %w", ctx.Err())
	}
}

func (h *hub) run() {
	defer close(h.done)
	if h.feed == nil {
		<-h.quit
		return
	}
	for h.follow() {
		select {
		case <-h.quit:
			return
		case <-time.After(resubscribe): // a feed that closed at once must not make this a busy loop
		}
	}
}

// follow passes changes on until the feed drops us, when it returns true, or the hub ends.
func (h *hub) follow() bool {
	changes, cancel := h.feed.Subscribe()
	defer cancel()
	h.resync()
	for {
		select {
		case <-h.quit:
			return false
		case next, ok := <-changes:
			if !ok {
				return true
			}
			h.publish(next.Verdicts)
			h.tellIncidents(next.Incidents)
			h.tellCertificates(next.Certificates)
			h.tellBack(next.Back)
		}
	}
}

// resync makes every reader begin again: changes may have been missed between two subscriptions.
func (h *hub) resync() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++ // no id given before is the latest any more
	h.ring = nil
	h.forget()
}

func (h *hub) forget() {
	for r := range h.readers {
		close(r.events)
		delete(h.readers, r)
	}
}

func (h *hub) publish(verdicts []store.Verdict) {
	for len(verdicts) > 0 {
		n := min(len(verdicts), eventRows)
		data, err := json.Marshal(api.Page[api.Window]{Items: rows(verdicts[:n], windowOf)})
		if err != nil { // cannot be: the shape holds texts, numbers and times of years 1970-2200
			h.resync()
			return
		}
		h.send(verdictEvent, data)
		verdicts = verdicts[n:]
	}
}

// tellIncidents passes incidents on, each as an event of its own. Where the store does not say what people said of them readers begin again.
func (h *hub) tellIncidents(changed []store.Incident) {
	if len(changed) == 0 {
		return
	}
	incidents, err := h.tell(context.Background(), changed)
	if err != nil {
		h.resync()
		return
	}
	for i := range incidents {
		data, err := json.Marshal(incidents[i])
		if err != nil { // cannot be: the shape holds texts, numbers and times of years 1970-2200
			h.resync()
			return
		}
		h.send(incidentEvent, data)
	}
}

// tellCertificates passes new entries of chains on, each as an event of its own.
func (h *hub) tellCertificates(entries []store.Certificate) {
	for i := range entries {
		c := &entries[i]
		data, err := json.Marshal(api.CertificateEvent{
			Stream: c.Stream, Hour: c.Hour.UTC().Format(hourForm), Number: c.Number, Action: c.Action, Reason: c.Reason, By: c.IssuedBy, IssuedAt: c.IssuedAt.UTC(),
			Standing: hourStanding(c.Action),
		})
		if err != nil { // cannot be: the shape holds texts, numbers and times of years 1970-2200
			h.resync()
			return
		}
		h.send(certificateEvent, data)
	}
}

// tellBack passes watermarks that stepped back on, each as an event of its own.
func (h *hub) tellBack(moves []store.WatermarkMove) {
	for _, m := range moves {
		data, err := json.Marshal(api.WatermarkEvent{Stream: m.Stream, WatermarkMove: moveOf(m)})
		if err != nil { // cannot be: the shape holds texts, numbers and times of years 1970-2200
			h.resync()
			return
		}
		h.send(watermarkEvent, data)
	}
}

func (h *hub) send(kind string, data json.RawMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	e := api.Event{Type: kind, ID: h.id(h.seq), Data: data}
	if h.ring = append(h.ring, e); len(h.ring) > hubRing {
		h.ring = append([]api.Event(nil), h.ring[1:]...)
	}
	for r := range h.readers {
		select {
		case r.events <- e:
		default:
			close(r.events)
			delete(h.readers, r)
			h.dropped.Inc()
		}
	}
}

func (h *hub) id(seq uint64) string { return h.boot + "-" + strconv.FormatUint(seq, 10) }

// join adds a reader. When last is the id of an event from which on all are still kept, missed holds them and
// resumed is true; else the reader needs a snapshot, which is to carry the id now.
func (h *hub) join(last string) (r *reader, missed []api.Event, now string, resumed bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.ended:
		return nil, nil, "", false, errStopped
	case len(h.readers) >= h.most:
		return nil, nil, "", false, errFull
	}
	r = &reader{events: make(chan api.Event, readerQueue)}
	h.readers[r] = struct{}{}
	missed, resumed = h.since(last)
	return r, missed, h.id(h.seq), resumed, nil
}

func (h *hub) since(last string) ([]api.Event, bool) {
	boot, number, ok := strings.Cut(last, "-")
	seq, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || boot != h.boot || seq > h.seq || h.seq-seq > uint64(len(h.ring)) {
		return nil, false
	}
	return append([]api.Event(nil), h.ring[uint64(len(h.ring))-(h.seq-seq):]...), true
}

func (h *hub) leave(r *reader) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, here := h.readers[r]; here {
		close(r.events)
		delete(h.readers, r)
	}
}
