package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// partly is a store of which one thing cannot be read: verdicts, incidents, certificates or watermarks.
type partly struct {
	*store.Store
	away string
}

func (p *partly) reach(what string) error {
	if p.away == what {
		return errors.New("away")
	}
	return nil
}

func (p *partly) ChangedSince(ctx context.Context, since time.Time) ([]store.Changed, error) {
	if err := p.reach("verdicts"); err != nil {
		return nil, err
	}
	return p.Store.ChangedSince(ctx, since)
}

func (p *partly) Incidents(ctx context.Context, filter store.IncidentFilter) ([]store.Incident, error) {
	if err := p.reach("incidents"); err != nil {
		return nil, err
	}
	return p.Store.Incidents(ctx, filter)
}

func (p *partly) CertificatesSince(ctx context.Context, since time.Time) ([]store.ChangedCertificate, error) {
	if err := p.reach("certificates"); err != nil {
		return nil, err
	}
	return p.Store.CertificatesSince(ctx, since)
}

func (p *partly) BackSince(ctx context.Context, since time.Time) ([]store.ChangedWatermark, error) {
	if err := p.reach("watermarks"); err != nil {
		return nil, err
	}
	return p.Store.BackSince(ctx, since)
}

// listen subscribes to a feed that has looked once.
func listen(t *testing.T) (*partly, *Feed, <-chan store.Changes) {
	t.Helper()
	s := &partly{Store: openStore(t)}
	feed := NewFeed(s, slog.New(slog.DiscardHandler))
	feed.mustLook(t)
	changes, cancel := feed.Subscribe()
	t.Cleanup(cancel)
	return s, feed, changes
}

// mustFail looks while something cannot be read.
func (f *Feed) mustFail(t *testing.T) {
	t.Helper()
	if err := f.look(t.Context()); err == nil {
		t.Error("a store that is away is not told")
	}
}

// decide stores a verdict at a revision.
func decide(t *testing.T, s *store.Store, stream string, revision uint32, state store.State) {
	t.Helper()
	v := store.Verdict{Stream: stream, Start: five, Edge: store.Edge{From: "app", To: "sink"}, Revision: revision, Seconds: 60, State: state, DecidedAt: five}
	if err := s.AddVerdicts(t.Context(), []store.Verdict{v}); err != nil {
		t.Fatal(err)
	}
}

func (f *Feed) mustLook(t *testing.T) {
	t.Helper()
	if err := f.look(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Verdicts are told once, whichever process stored them, and none is passed over where the store was away between.
func TestTheFeedTellsEachVerdictOnceThoughTheStoreWasAway(t *testing.T) {
	s, feed, changes := listen(t)
	decide(t, s.Store, "orders", 1, store.Settling)
	s.away = "verdicts"
	for range 2 {
		feed.mustFail(t)
	}
	s.away = ""
	decide(t, s.Store, "orders", 2, store.Complete)
	decide(t, s.Store, "flights", 1, store.Withdrawn)
	for range 3 {
		feed.mustLook(t)
	}
	if len(changes) != 1 {
		t.Fatalf("%d changes are told", len(changes))
	}
	told := (<-changes).Verdicts
	if len(told) != 2 || told[0].Revision != 1 || told[1].Revision != 2 {
		t.Errorf("told %+v", told)
	}
}

// An incident is told at each change, be it what people said of it, as it then is, though the store was away when it was to be read.
func TestTheFeedTellsIncidentsAtEachChangeWhicheverProcessStoredIt(t *testing.T) {
	s, feed, changes := listen(t)
	s.away = "incidents"
	i := store.Incident{ID: wire.UID{15: 1}, Stream: "orders", Cause: store.CauseLoss, First: five, Last: five, FirstBad: five, Windows: 1, Bad: 1, Lost: 3, Version: 1}
	put := func() {
		t.Helper()
		if err := s.AddIncidents(t.Context(), []store.Incident{i}); err != nil {
			t.Fatal(err)
		}
	}
	put()
	decide(t, s.Store, "orders", 1, store.Incomplete)
	feed.mustFail(t)
	s.away = ""
	told := func(lost uint64, verdicts int) {
		t.Helper()
		for range 3 {
			feed.mustLook(t)
		}
		if len(changes) != 1 {
			t.Fatalf("%d changes are told", len(changes))
		}
		if c := <-changes; len(c.Incidents) != 1 || c.Incidents[0].Lost != lost || len(c.Verdicts) != verdicts {
			t.Fatalf("told %+v", c)
		}
	}
	told(3, 1)
	i.Lost, i.Version = 5, 2
	put()
	told(5, 0)
	if err := s.AddAck(t.Context(), store.Ack{Incident: i.ID, At: five, Who: "local"}); err != nil {
		t.Fatal(err)
	}
	told(5, 0)
}

func TestTheFeedForgetsWhatItNeedNotTellApart(t *testing.T) {
	feed := NewFeed(nil, slog.New(slog.DiscardHandler))
	at := func(n int) store.Changed {
		return store.Changed{Verdict: store.Verdict{Stream: "orders", Start: five, Revision: uint32(n), State: store.Complete}, StoredAt: five.Add(time.Duration(n) * time.Second)}
	}
	for n := range 100 {
		if fresh := feed.fresh([]store.Changed{at(n)}); len(fresh) != 1 {
			t.Fatalf("%d of one are fresh", len(fresh))
		}
		feed.forget()
	}
	if most := int(feedReach/time.Second) + 1; len(feed.told) > most {
		t.Errorf("%d are kept, of which %d could come again", len(feed.told), most)
	}
}

// A subscriber that does not read loses its channel, and nobody waits for it.
func TestTheFeedDropsASubscriberThatDoesNotRead(t *testing.T) {
	feed := NewFeed(nil, slog.New(slog.DiscardHandler))
	slow, cancel := feed.Subscribe()
	defer cancel()
	for range fanDepth + 1 {
		feed.publish(store.Changes{Verdicts: []store.Verdict{{Stream: "orders"}}})
	}
	n := 0
	for range slow {
		n++
	}
	if n != fanDepth {
		t.Errorf("it got %d changes before its channel was closed", n)
	}
}

// More than one server copies an entry from its topic: it is told once, in the order of its chain, though the store was away between.
func TestTheFeedTellsEachEntryOfAChainOnceHoweverManyServersCopyIt(t *testing.T) {
	s, feed, changes := listen(t)
	entries := []store.Certificate{
		{Stream: "orders", Number: 1, Hour: five, Action: "certify", IssuedAt: five, IssuedBy: "anna"},
		{Stream: "orders", Number: 2, Hour: five, Action: "revoke", IssuedAt: five, IssuedBy: "rollcall", Reason: "3 lost"},
	}
	put := func(entries ...store.Certificate) {
		t.Helper()
		if err := s.AddCertificates(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	put(entries[1])
	put(entries...)
	decide(t, s.Store, "orders", 1, store.Incomplete)
	s.away = "certificates"
	feed.mustFail(t)
	s.away = ""
	for range 3 {
		feed.mustLook(t)
		put(entries...)
	}
	if len(changes) != 1 {
		t.Fatalf("%d changes are told", len(changes))
	}
	c := <-changes
	if diff := cmp.Diff(entries, c.Certificates); diff != "" || len(c.Verdicts) != 1 {
		t.Errorf("%d verdicts and\n%s", len(c.Verdicts), diff)
	}
}

// A copy that is made long after an entry was told does not make it new.
func TestTheFeedKnowsAnEntryAgainThatIsCopiedLate(t *testing.T) {
	feed := NewFeed(nil, slog.New(slog.DiscardHandler))
	copied := func(number uint64, after time.Duration) store.ChangedCertificate {
		return store.ChangedCertificate{Certificate: store.Certificate{Stream: "orders", Number: number}, StoredAt: five.Add(after)}
	}
	first, again := copied(1, 0), copied(1, 5*time.Second)
	if n := len(feed.entries([]store.ChangedCertificate{first, again})); n != 1 {
		t.Fatalf("%d of one are told", n)
	}
	feed.entries([]store.ChangedCertificate{copied(2, 12*time.Second)})
	feed.forget()
	if n := len(feed.entries([]store.ChangedCertificate{again})); n != 0 {
		t.Error("it is told again")
	}
}

// A watermark that steps back is told once, with why, whichever process stored it and though the store was away between; one that goes on is not told.
func TestTheFeedTellsOnceThatAWatermarkSteppedBack(t *testing.T) {
	s, feed, changes := listen(t)
	move := func(at, previous, mark time.Time, reason string) store.WatermarkMove {
		return store.WatermarkMove{Stream: "orders", At: at, Watermark: mark, Previous: previous, Reason: reason}
	}
	minute := func(n int) time.Time { return five.Add(time.Duration(n) * time.Minute) }
	back := move(minute(4), minute(3), minute(1), "late-data")
	back.Blocked = &store.Blocked{Start: minute(1), Edge: store.Edge{From: "app", To: "sink"}, State: store.Incomplete, Reasons: []store.Reason{{Code: "lost", Text: "3 are lost"}}}
	put := func(moves ...store.WatermarkMove) {
		t.Helper()
		if err := s.AddWatermarks(t.Context(), moves); err != nil {
			t.Fatal(err)
		}
	}
	put(move(minute(2), time.Time{}, minute(2), moveFirst), move(minute(3), minute(2), minute(3), moveAdvanced), back, move(minute(5), minute(1), minute(5), moveAdvanced))
	decide(t, s.Store, "orders", 1, store.Incomplete)
	s.away = "watermarks"
	feed.mustFail(t)
	s.away = ""
	for range 3 {
		feed.mustLook(t)
		put(back) // of which nobody knew whether it was stored
	}
	if len(changes) != 1 {
		t.Fatalf("%d changes are told", len(changes))
	}
	c := <-changes
	if diff := cmp.Diff([]store.WatermarkMove{back}, c.Back); diff != "" || len(c.Verdicts) != 1 {
		t.Errorf("%d verdicts and\n%s", len(c.Verdicts), diff)
	}
}
