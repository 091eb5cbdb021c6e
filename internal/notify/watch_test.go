package notify

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// memory is a store that can be away, or full: then it reads and does not write. Its clock has nothing to do with anybody else's.
type memory struct {
	mu         sync.Mutex
	away, full bool
	clock      int64
	incidents  map[wire.UID]store.Incident
	acks       map[wire.UID][]store.Ack
	touched    []store.Touch
	told       []store.Told
	wholes     int // how often all open incidents were read
	listed     int // how many incidents were read
}

func newMemory() *memory {
	return &memory{clock: 1_000_000_000_000, incidents: map[wire.UID]store.Incident{}, acks: map[wire.UID][]store.Ack{}}
}

var errAway = errors.New("the store is away")

func (m *memory) set(away bool) { m.mu.Lock(); defer m.mu.Unlock(); m.away = away }

func (m *memory) err() error {
	if m.away {
		return errAway
	}
	return nil
}

func (m *memory) Incidents(_ context.Context, f store.IncidentFilter) ([]store.Incident, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(f.IDs) == 0 {
		m.wholes++
	}
	var found []store.Incident
	for id, i := range m.incidents {
		if slices.Contains(f.IDs, id) || f.State == store.IncidentMerged && slices.Contains(f.IDs, i.Into) || len(f.IDs) == 0 && i.State() == f.State {
			found = append(found, i)
		}
	}
	m.listed += len(found)
	return found, m.err()
}

func (m *memory) Silences(context.Context, time.Time) ([]store.Silence, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return nil, m.err()
}

func (m *memory) Acks(_ context.Context, ids []wire.UID) (map[wire.UID][]store.Ack, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[wire.UID][]store.Ack{}
	for _, id := range ids {
		found[id] = slices.Clone(m.acks[id])
	}
	return found, m.err()
}

func (m *memory) AddTold(_ context.Context, told ...store.Told) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away || m.full {
		return errAway
	}
	for _, t := range told {
		m.clock++
		t.StoredAt = time.UnixMilli(m.clock)
		m.told = append(m.told, t)
	}
	return nil
}

func (m *memory) Now(context.Context) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.UnixMilli(m.clock), m.err()
}

func (m *memory) ToldOf(_ context.Context, incident wire.UID) ([]store.Told, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.told), func(t store.Told) bool { return t.Incident != incident }), m.err()
}

func (m *memory) ToldSince(_ context.Context, receiver string, since time.Time, also []wire.UID) ([]store.Told, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.told), func(t store.Told) bool {
		return t.Receiver != receiver || t.StoredAt.Before(since) && !slices.Contains(also, t.Incident)
	}), m.err()
}

func (m *memory) TouchedSince(_ context.Context, since time.Time) ([]store.Touch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.touched), func(t store.Touch) bool { return t.StoredAt.Before(since) }), m.err()
}

// put stores incidents, and ack a word on one.
func (m *memory) put(all ...store.Incident) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range all {
		m.incidents[i.ID] = i
		m.touch(i.ID)
	}
}

func (m *memory) ack(id wire.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.acks[id] = append(m.acks[id], store.Ack{Incident: id, Version: m.incidents[id].Version, Who: "ada"})
	m.touch(id)
}

func (m *memory) touch(id wire.UID) {
	m.clock++
	m.touched = append(m.touched, store.Touch{Incident: id, StoredAt: time.UnixMilli(m.clock), Rows: 1})
}

func (m *memory) ToldOpen(ctx context.Context, receiver string, _ []wire.UID) ([]store.Told, error) {
	return m.ToldSince(ctx, receiver, time.Time{}, nil)
}

// wired stands for the network of a receiver in a bubble of synctest.
type wired struct {
	mu    sync.Mutex
	calls []string // what was told, by receiver and text
	when  []time.Time
}

func (w *wired) RoundTrip(q *http.Request) (*http.Response, error) {
	text := "beat"
	if q.Method == http.MethodPost {
		body, _ := io.ReadAll(q.Body)
		var event struct{ Data data }
		_ = json.Unmarshal(body, &event)
		text = event.Data.Text
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.when = append(w.calls, text), append(w.when, time.Now())
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}, Request: q}, nil
}

func (w *wired) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// fault is a check that a test breaks.
type fault struct {
	mu   sync.Mutex
	says string
	err  error
	hang bool
}

func (f *fault) set(says string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.says, f.err = says, err
}

func (f *fault) check(ctx context.Context) (string, error) {
	f.mu.Lock()
	says, err, hang := f.says, f.err, f.hang
	f.mu.Unlock()
	if hang {
		<-ctx.Done()
	}
	return says, err
}

// watched starts a notifier with a webhook, a heartbeat and one check, in a bubble.
func watched(t *testing.T, s Store, f *fault) (told, beats *wired, stop func()) {
	t.Helper()
	n, err := New(Deps{
		Store: s, Shares: holder{}, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler), Checks: []Check{{Name: "ingest_lag", Fault: f.check}},
	}, Config{Receivers: []Receiver{
		{Name: "hook", Type: Webhook, URL: "https://hook.example"}, {Name: "beat", Type: Heartbeat, URL: "https://beat.example"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	told, beats = &wired{}, &wired{}
	n.targets[0].client, n.targets[1].client = &http.Client{Transport: told}, &http.Client{Transport: beats}
	n.Start(context.Background())
	stop = sync.OnceFunc(func() {
		if err := n.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return told, beats, stop
}

// after lets time pass in a bubble.
func after(d time.Duration) { <-time.After(d); synctest.Wait() }

func TestAHeartbeatIsSentEachMinuteWhileAllIsWellAndNeverElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fault{}
		_, beats, stop := watched(t, newMemory(), f)
		after(10 * time.Minute)
		if n := len(beats.all()); n != 10 {
			t.Fatalf("%d heartbeats in ten minutes", n)
		}
		for what, broken := range map[string]func(){
			"a fault":                     func() { f.set("lags", nil) },
			"a check that cannot be made": func() { f.set("", errors.New("away")) },
			"a check that hangs":          func() { f.mu.Lock(); f.hang = true; f.mu.Unlock() },
		} {
			broken()
			after(time.Minute) // one may have been under way
			before := len(beats.all())
			after(time.Hour)
			if n := len(beats.all()); n != before {
				t.Errorf("%s: %d heartbeats", what, n-before)
			}
			f.mu.Lock()
			f.hang = false
			f.mu.Unlock()
			f.set("", nil)
			after(2 * time.Minute)
			if n := len(beats.all()); n < before+1 {
				t.Errorf("%s: no heartbeat after it was mended", what)
			}
		}
		stop()
		before := len(beats.all())
		after(time.Hour)
		if n := len(beats.all()); n != before {
			t.Errorf("%d heartbeats of a server that stopped", n-before)
		}
	})
}

func TestReceiversAreToldOnceOfAFaultOfRollcallsOwnAndOfItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fault{}
		told, _, stop := watched(t, newMemory(), f)
		defer stop()
		f.set("too much waits", nil)
		after(20 * time.Second)
		f.set("", nil)
		after(10 * time.Minute)
		if calls := told.all(); len(calls) != 0 {
			t.Fatalf("told of what settled by itself: %q", calls)
		}
		f.set("too much waits", nil)
		after(time.Hour)
		f.set("", nil)
		after(time.Hour)
		want := []string{"[ROLLCALL] too much waits", "[RESOLVED] rollcall: all is well again. It was: too much waits"}
		if calls := told.all(); !slices.Equal(calls, want) {
			t.Errorf("told %q, want %q", calls, want)
		}
	})
}

func TestAFaultIsToldWhileTheStoreIsAwayAndWrittenDownOnceItIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := &fault{}, newMemory()
		m.set(true)
		told, _, stop := watched(t, m, f)
		f.set("the store does not answer", nil)
		after(time.Hour)
		if calls := told.all(); len(calls) != 1 {
			t.Fatalf("told %q", calls)
		}
		m.set(false)
		after(time.Minute)
		if len(m.told) != 1 || m.told[0].State != store.IncidentOpen {
			t.Fatalf("written down is %+v", m.told)
		}
		if calls := told.all(); len(calls) != 1 {
			t.Errorf("told again once the store is back: %q", calls)
		}
		stop() // the next process resolves what this one told
		f.set("", nil)
		next, _, stop := watched(t, m, f)
		defer stop()
		after(time.Minute)
		if calls := next.all(); len(calls) != 1 || !strings.HasPrefix(calls[0], "[RESOLVED]") {
			t.Errorf("the next process tells %q", calls)
		}
	})
}

// A process that has just started knows nothing yet: it does not say that all is well because it has not looked for long.
func TestAFaultThatStandsWhileTheProcessStartsAgainIsNotToldToBeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := &fault{}, newMemory()
		f.set("too much waits", nil)
		told, _, stop := watched(t, m, f)
		after(time.Hour)
		stop()
		next, _, stop := watched(t, m, f)
		defer stop()
		after(time.Hour)
		if calls := slices.Concat(told.all(), next.all()); len(calls) != 1 {
			t.Fatalf("told %q", calls)
		}
		f.set("", errors.New("away"))
		after(time.Hour)
		if calls := next.all(); len(calls) != 0 {
			t.Fatalf("while nobody knows it is told %q", calls)
		}
		f.set("", nil)
		stop()
		last, _, stop := watched(t, m, f)
		defer stop()
		after(time.Hour)
		if calls, want := last.all(), []string{"[RESOLVED] rollcall: all is well again. It was: ingest lag"}; !slices.Equal(calls, want) {
			t.Errorf("told %q, want %q", calls, want)
		}
	})
}

func TestOfTwoProcessesOneTellsOfAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, m := &fault{}, newMemory()
		one, _, stop := watched(t, m, f)
		defer stop()
		after(time.Second)
		other, _, stopOther := watched(t, m, f)
		defer stopOther()
		f.set("too much waits", nil)
		after(time.Hour)
		f.set("", nil)
		after(time.Hour)
		if n := len(one.all()) + len(other.all()); n != 2 {
			t.Errorf("told %q and %q", one.all(), other.all())
		}
	})
}

func TestTheIDOfAnOwnIncidentIsTheSameInEveryProcess(t *testing.T) {
	if ownID("store_away").String() != "092a56e9-9cf7-880a-9771-79cee1de633b" || ownID("store_away") == ownID("ingest_lag") {
		t.Error("the id is not the check's")
	}
	if text := ownID("store_away").String(); len(text) != 36 || text[14] != '8' {
		t.Errorf("%s is no UUIDv8", text)
	}
}

// While the store was away nothing was judged either, and who was called of the one was called of the other.
func TestAStoreThatIsAwayIsOneCallAndWhatLastsLongerIsCalledAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away, aged := &fault{}, &fault{}
		b, _, stop := answering(t, newMemory(), func(_ *Config, d *Deps) {
			d.Checks = []Check{{Name: "store_away", Fault: away.check}, {Name: "reconcile_age", Under: "store_away", Fault: aged.check}}
		}, hookReceiver)
		defer stop()
		away.set("the store does not answer", nil)
		after(30 * time.Second)
		aged.set("nobody looks at the streams", nil)
		after(time.Hour)
		away.set("", nil)
		after(15 * time.Second)
		aged.set("", nil)
		after(time.Hour)
		if calls := b.texts(t, "hook"); len(calls) != 2 || !strings.HasPrefix(calls[0], "[ROLLCALL] the store") || !strings.HasPrefix(calls[1], "[RESOLVED]") {
			t.Errorf("told %q", calls)
		}
		aged.set("nobody looks at the streams", nil)
		after(time.Hour)
		if calls := b.texts(t, "hook"); len(calls) != 3 || calls[2] != "[ROLLCALL] nobody looks at the streams" {
			t.Errorf("told %q", calls)
		}
	})
}
