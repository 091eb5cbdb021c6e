package notify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// OwnStream stands for the stream in what is told of Rollcall's own health.
const OwnStream = "rollcall"

// Check is one thing that must be so for Rollcall to see what it watches.
type Check struct {
	Name string // of lower-case letters and _, such as store_away: the cause in what is told, and a label
	// Fault says in words what is over which limit; empty: all is well. An error says that it cannot be told now.
	Fault func(ctx context.Context) (string, error)
	// Under names a check whose fault explains this one's: meanwhile this one is neither well nor not, and nobody is called twice of one thing.
	Under string
}

// grace is how long a check may take to notice that its time is over.
const grace = time.Second

var errHangs = errors.New("the check hangs")

// finding is what a check found so far.
type finding struct {
	fault  string    // the last one
	known  bool      // the check said one thing for long enough; until then what an earlier process told may still be so
	open   bool      // there is a fault
	since  time.Time // since when it is as it is
	bad    bool      // the check says now that there is a fault
	turned time.Time // since when it says so; zero: it must stand anew
}

// note takes in what the check says now. It counts only once it stood for hold, so that what comes and goes calls nobody.
func (f *finding) note(fault string, now time.Time, hold time.Duration) {
	bad := fault != ""
	if bad {
		f.fault = fault
	}
	if f.turned.IsZero() || bad != f.bad {
		f.bad, f.turned = bad, now
	}
	if (!f.known || bad != f.open) && now.Sub(f.turned) >= hold {
		f.known, f.open, f.since = true, bad, f.turned
	}
}

// watch asks the checks again and again. It needs no store to know what it found: the store may be what is away.
type watch struct {
	*Notifier
	busy     []atomic.Bool // by check: it is still being made
	mu       sync.Mutex
	findings []finding // by check
	wellAt   time.Time // when all checks last said that all is well, all at once
}

func newWatch(n *Notifier) *watch {
	return &watch{Notifier: n, busy: make([]atomic.Bool, len(n.Checks)), findings: make([]finding, len(n.Checks))}
}

func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(w.config.Look)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look asks every check once, none longer than an attempt may take.
func (w *watch) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.config.Timeout)
	defer cancel()
	faults, errs := make([]string, len(w.Checks)), make([]error, len(w.Checks))
	var all sync.WaitGroup
	for i := range w.Checks {
		all.Go(func() { faults[i], errs[i] = w.ask(ctx, i) })
	}
	all.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	now, well := w.Now(), true
	for i, c := range w.Checks {
		good := errs[i] == nil && faults[i] == ""
		well = well && good
		w.ok.WithLabelValues(c.Name).Set(asFloat(good))
		if errs[i] != nil { // neither well nor not
			w.Log.Debug("a check of this server's own cannot be made", "check", c.Name, "error", errs[i])
			continue
		}
		if w.explained(c.Under, faults) {
			w.findings[i].turned = time.Time{} // it must stand by itself once the other is over
			continue
		}
		w.findings[i].note(faults[i], now, w.config.Hold)
	}
	if well {
		w.wellAt = now
	}
}

// explained says whether the check of a name has a fault now.
func (w *watch) explained(name string, faults []string) bool {
	for i, c := range w.Checks {
		if c.Name == name {
			return faults[i] != ""
		}
	}
	return false
}

// ask makes a check, and waits for it no longer than ctx lasts and a moment. One that hangs is not made a second time.
func (w *watch) ask(ctx context.Context, i int) (string, error) {
	if w.busy[i].Swap(true) {
		return "", errHangs
	}
	type said struct {
		fault string
		err   error
	}
	answer := make(chan said, 1)
	go func() {
		defer w.busy[i].Store(false)
		fault, err := w.Checks[i].Fault(ctx)
		answer <- said{fault, err}
	}()
	late := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { <-time.After(grace); close(late) })
	defer stop()
	select {
	case a := <-answer:
		if a.fault == "" && a.err == nil {
			return "", ctx.Err() // what was well only once nobody asked any more
		}
		return a.fault, a.err
	case <-late:
		return "", errHangs
	}
}

func asFloat(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// well says whether all was well a moment ago. What was well long ago is not: a check may hang.
func (w *watch) well(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.Checks) == 0 || !w.wellAt.IsZero() && now.Sub(w.wellAt) < 3*w.config.Look
}

func (w *watch) found(i int) finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.findings[i]
}

// incident is what is found, in the form in which receivers are told; false while nothing is known. Every process gives it the same id, so that a
// receiver which knows incidents by it is told of one.
func (w *watch) incident(i int) (store.Incident, bool) {
	f, c := w.found(i), w.Checks[i]
	was := cmp.Or(f.fault, strings.ReplaceAll(c.Name, "_", " ")) // it was found by an earlier process
	own := store.Incident{
		ID: ownID(c.Name), Stream: OwnStream, Cause: store.Cause(c.Name), First: f.since, Last: f.since, FirstBad: f.since, OpenedAt: f.since, Since: f.since,
		Text: "[RESOLVED] rollcall: all is well again. It was: " + was,
	}
	if f.open {
		own.Bad, own.Windows, own.Text = 1, 1, "[ROLLCALL] "+f.fault
	}
	return own, f.known
}

// ownID makes the id of an incident of Rollcall's own, a UUIDv8, of the check's name.
func ownID(check string) wire.UID {
	sum := sha256.Sum256([]byte("rollcall own health " + check))
	id := wire.UID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return id
}
