package reconcile

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

// book is a ledger in one process: what is appended counts at once. Before an entry is written, and after, something else may happen.
type book struct {
	store         *store.Store
	keys          *certificate.Keys
	before, after func()
	fails         error
}

func newBook(s *scene) *book {
	s.t.Helper()
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	key, err := certificate.NewKey(private.Public().(ed25519.PublicKey))
	if err != nil {
		s.t.Fatal(err)
	}
	key.Private = private
	return &book{store: s.store, keys: &certificate.Keys{All: []certificate.Key{key}}}
}

func (b *book) Append(ctx context.Context, stream string, make func(certificate.Head) ([]byte, error)) (*certificate.Entry, error) {
	if b.fails != nil {
		return nil, b.fails
	}
	last, err := b.store.CertificateHead(ctx, stream, 0, 1<<62)
	if err != nil {
		return nil, err
	}
	head := certificate.Head{Number: last.Number, Hash: last.Hash}
	text, err := make(head)
	if err != nil {
		return nil, err
	}
	once(&b.before)
	e, _, refused := head.Accept(stream, text, b.keys)
	if refused != nil {
		return nil, refused
	}
	err = b.store.AddCertificates(ctx, []store.Certificate{{
		Stream: stream, Number: e.Number, Hour: e.Hour.Time, Action: string(e.Action), Previous: e.Previous, Hash: e.Hash, Key: e.KeyID,
		IssuedAt: e.IssuedAt, IssuedBy: e.IssuedBy, Reason: e.Reason, Envelope: e.Envelope, Offset: int64(e.Number),
	}})
	once(&b.after)
	return e, err
}

func (s *scene) issuer(b *book) *Issuer {
	return NewIssuer(IssuerDeps{Store: s.store, Reader: NewReader(s.store), Ledger: b, Keys: func() *certificate.Keys { return b.keys }, Now: func() time.Time { return s.now }})
}

// wantIssue holds what came of an hour against an action, empty for none, and what the reason begins with.
func (s *scene) wantIssue(got store.Issue, err error, action certificate.Action, reason string) {
	s.t.Helper()
	switch {
	case err != nil:
		s.t.Fatal(err)
	case got.Action != string(action):
		s.t.Fatalf("%q was done, want %q; in the way: %v", got.Action, action, got.Hour.Bars)
	case action != "" && !strings.HasPrefix(got.Last.Reason, reason):
		s.t.Fatalf("the reason is %q, want %q", got.Last.Reason, reason)
	}
}

// ended is a stream of which hour five has ended: ten events in its first minute, all delivered.
func ended(t *testing.T) *scene {
	t.Helper()
	s := newScene(t, appSink)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 74, "app"), 0, span(0, 9)))
	s.hear(3700, s.says("app", 1, 3690), s.says("sink", 2, 3699, "app"))
	s.wait(3720)
	return s
}

func TestAnHourIsCertifiedSupersededAndRevoked(t *testing.T) {
	s := ended(t)
	i := s.issuer(newBook(s))
	follow := func(action certificate.Action, reason string) {
		t.Helper()
		got, err := i.Follow(t.Context(), s.stream, five)
		s.wantIssue(got, err, action, reason)
	}
	follow("", "")
	got, err := i.Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, certificate.Certify, "")
	if got.Last.IssuedBy != "ada" || got.Last.Number != 1 {
		t.Fatalf("issued by %s as entry %d", got.Last.IssuedBy, got.Last.Number)
	}
	got, err = i.Issue(t.Context(), s.stream, five, "bob")
	s.wantIssue(got, err, "", "")
	if !got.Stands() || got.Last.IssuedBy != "ada" {
		t.Fatalf("asked again, what stands is %+v", got.Last)
	}
	follow("", "")

	s.hear(4000, saw(s.says("app", 1, 3990), 0, span(10, 10)), saw(s.says("sink", 2, 3999, "app"), 0, span(10, 10)))
	follow(certificate.Supersede, "1 more events at app")
	s.hear(4100, saw(s.says("app", 1, 4090), 0, span(11, 13)), s.says("sink", 2, 4099, "app"))
	follow(certificate.Revoke, "3 lost")
	follow("", "")
	got, err = i.Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, "", "")
	if got.Stands() || len(got.Hour.Bars) != 1 || got.Hour.Bars[0] != "lost" {
		t.Fatalf("three are lost; in the way: %v", got.Hour.Bars)
	}
	s.hear(4200, saw(s.says("sink", 2, 4199, "app"), 0, span(11, 13)))
	follow(certificate.Supersede, "the hour is good again")
	follow("", "")
}

func TestACertificateSaysWhatTheHourRestsOn(t *testing.T) {
	s := ended(t)
	s.hear(3800, saw(s.says("app", 1, 3790), 7, span(20, 22)), s.says("sink", 2, 3799, "app"))
	b := newBook(s)
	got, err := s.issuer(b).Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, "", "")
	s.waive(9, store.WaiveLost)
	got, err = s.issuer(b).Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, certificate.Certify, "")
	e, checks := certificate.Verify(got.Last.Envelope, b.keys)
	if !certificate.Good(checks) {
		t.Fatal(certificate.Faults(checks))
	}
	edge := e.Edges[0]
	if len(e.Edges) != 1 || edge.Edge != "app..sink" || edge.Windows != 60 || edge.Expected != 13 || edge.Delivered != 10 || edge.Lost != 3 || edge.Waived != 3 || edge.State != "incomplete" {
		t.Errorf("of the edge it says %+v", e.Edges)
	}
	if n := edge.Names; n == nil || n.Events != 3 || len(n.Sources) != 1 || n.Sources[0].Ranges[0] != [2]uint32{20, 22} || !n.Sources[0].Start.Equal(five.Add(7*time.Minute)) {
		t.Errorf("the lost are named as %+v", n)
	}
	if len(e.Hops) != 2 || e.Hops[0].Hop != "app" || e.Hops[0].Events != 13 || e.Hops[1].Events != 10 {
		t.Errorf("of the hops it says %+v", e.Hops)
	}
	if len(e.Waivers) != 1 || e.Waivers[0].Who != "ada" || e.Waivers[0].Events != 3 || e.Waivers[0].Why != "known" {
		t.Errorf("waived: %+v", e.Waivers)
	}
	if e.Coverage.Windows != 60 || e.Coverage.Emitters != 2 || e.RuleVersion != RuleVersion {
		t.Errorf("it rests on %+v by the rules %d", e.Coverage, e.RuleVersion)
	}
}

// Between the look at an hour and the writing of its entry a loss may be found. The entry must not stand.
func TestALossThatIsFoundWhileACertificateIsIssuedRevokesIt(t *testing.T) {
	s := ended(t)
	b := newBook(s)
	b.before = func() {
		s.hear(4000, saw(s.says("app", 1, 3990), 0, span(10, 10)), s.says("sink", 2, 3999, "app"))
	}
	got, err := s.issuer(b).Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, certificate.Revoke, "1 lost")
	if got.Stands() {
		t.Error("it stands")
	}
}

// What a hop took over is read from its reports, and the verdicts may be a pass behind them. A certificate must not say the one and the other.
func TestNothingIsIssuedOfAnHourOfWhichAReportIsNotJudgedYet(t *testing.T) {
	s := ended(t)
	i := s.issuer(newBook(s))
	got, err := i.Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, certificate.Certify, "")
	s.now = five.Add(4000 * time.Second)
	late := saw(s.says("app", 1, 3990), 0, span(10, 10))
	late.Number = s.number[late.Emitter] + 1
	if err := s.store.Insert(t.Context(), []store.Received{{Report: *late, At: s.now}}); err != nil {
		t.Fatal(err)
	}
	got, err = i.Follow(t.Context(), s.stream, five)
	s.wantIssue(got, err, "", "")
	if fmt.Sprint(got.Hour.Bars) != "[settling]" {
		t.Errorf("in the way: %v", got.Hour.Bars)
	}
	s.hear(4001, s.says("sink", 2, 4000, "app"))
	got, err = i.Follow(t.Context(), s.stream, five)
	s.wantIssue(got, err, certificate.Revoke, "1 lost")
}

func TestAnHourWithoutEdgesSetIsNotCertified(t *testing.T) {
	s := newScene(t)
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"),
		saw(s.says("app", 1, 65), 0, span(0, 9)), saw(s.says("sink", 2, 74, "app"), 0, span(0, 9)))
	s.hear(3700, s.says("app", 1, 3690), s.says("sink", 2, 3699, "app"))
	got, err := s.issuer(newBook(s)).Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, "", "")
	if fmt.Sprint(got.Hour.Bars) != "[edges-not-set]" {
		t.Errorf("in the way: %v", got.Hour.Bars)
	}
}

func TestAnHourThatRunsOrSettlesIsNotCertified(t *testing.T) {
	s := newScene(t, appSink)
	i := s.issuer(newBook(s))
	s.hear(75, s.says("app", 1, 0), s.says("sink", 2, 1, "app"), saw(s.says("app", 1, 65), 59, span(0, 9)))
	for _, c := range []struct {
		at  int
		bar string
	}{{80, "[running]"}, {3601, "[settling]"}} {
		at, bar := c.at, c.bar
		s.wait(at)
		got, err := i.Issue(t.Context(), s.stream, five, "ada")
		s.wantIssue(got, err, "", "")
		if fmt.Sprint(got.Hour.Bars) != bar {
			t.Errorf("%d s after its start stands in the way: %v, want %s", at, got.Hour.Bars, bar)
		}
	}
}

// holder holds all shares.
type holder struct{ claims []store.Claim }

func (h *holder) Held() []store.Claim { return h.claims }

func everyShare() *holder {
	h := &holder{}
	for n := range uint32(store.Shares) {
		h.claims = append(h.claims, store.Claim{Share: n, Token: 1})
	}
	return h
}

func (s *scene) certifier(b *book) *Certifier {
	s.t.Helper()
	c, err := NewCertifier(s.store, s.issuer(b), everyShare(), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *scene) certify(c *Certifier) {
	s.t.Helper()
	if err := c.look(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// standing is the action of the last entry of hour five, and its number.
func (s *scene) standing() string {
	s.t.Helper()
	last, _, err := s.store.LastCertificate(s.t.Context(), s.stream, five)
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("%s %d", last.Action, last.Number)
}

func (s *scene) auto() {
	s.t.Helper()
	settings := store.DefaultSettings(s.stream)
	settings.Edges, settings.Document = []store.Edge{appSink}, []byte(`{"certify":{"auto":true}}`)
	if err := s.store.PutSettings(s.t.Context(), settings, s.now); err != nil {
		s.t.Fatal(err)
	}
	s.pass()
}

func TestWhatIsCertifiedFollowsItsVerdictsWithinALook(t *testing.T) {
	s := ended(t)
	s.auto()
	b := newBook(s)
	c := s.certifier(b)
	s.certify(c)
	want := func(standing string) {
		t.Helper()
		s.certify(c)
		if got := s.standing(); got != standing {
			t.Fatalf("the hour stands as %q, want %q", got, standing)
		}
	}
	want("certify 1")
	want("certify 1")
	s.hear(4000, saw(s.says("app", 1, 3990), 0, span(10, 11)), s.says("sink", 2, 3999, "app"))
	want("revoke 2")
	if open := s.revocations(); len(open) != 1 || open[0].State() != store.IncidentOpen || !strings.Contains(open[0].Text, "[REVOKED] orders hour 2026-11-22T05: certificate taken back by entry 2: 2 lost") {
		t.Fatalf("of the revocation is told: %+v", open)
	}
	s.waive(9, store.WaiveLost)
	want("supersede 3")
	if open := s.revocations(); len(open) != 1 || open[0].State() != store.IncidentResolved {
		t.Fatalf("the hour is good again: %+v", open)
	}
}

func (s *scene) revocations() []store.Incident {
	s.t.Helper()
	all, err := s.store.Incidents(s.t.Context(), store.IncidentFilter{Stream: s.stream})
	if err != nil {
		s.t.Fatal(err)
	}
	var found []store.Incident
	for _, i := range all {
		if i.Cause == store.CauseRevoked {
			found = append(found, i)
		}
	}
	return found
}

// A process that dies after any of its steps is followed by another, which begins where the store says.
func TestACertifierThatDiesIsFollowedByAnotherThatForgetsNothing(t *testing.T) {
	s := ended(t)
	b := newBook(s)
	got, err := s.issuer(b).Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, certificate.Certify, "")
	s.certify(s.certifier(b))
	b.fails = errors.New("Kafka is away")
	s.hear(4000, saw(s.says("app", 1, 3990), 0, span(10, 11)), s.says("sink", 2, 3999, "app"))
	dying := s.certifier(b)
	for range 3 {
		if err := dying.look(t.Context()); err == nil {
			t.Fatal("what cannot be written is not said")
		}
	}
	if got := s.standing(); got != "certify 1" {
		t.Fatalf("the hour stands as %q", got)
	}
	b.fails = nil
	s.certify(s.certifier(b))
	if got := s.standing(); got != "revoke 2" {
		t.Fatalf("the hour stands as %q", got)
	}
}

func TestAnHourWithoutEventsIsCertifiedByPolicy(t *testing.T) {
	s := newScene(t, appSink)
	s.auto()
	s.hear(-3500, s.says("app", 1, -3550), s.says("sink", 2, -3549, "app"),
		saw(s.says("app", 1, -3510), -60, span(0, 9)), saw(s.says("sink", 2, -3501, "app"), -60, span(0, 9)))
	for at := -3400; at < 3700; at += 600 {
		s.hear(at, s.says("app", 1, at-10), s.says("sink", 2, at-1, "app"))
	}
	s.hear(3700, s.says("app", 1, 3690), s.says("sink", 2, 3699, "app"))
	s.wait(3800)
	s.certify(s.certifier(newBook(s)))
	last, there, err := s.store.LastCertificate(t.Context(), s.stream, five)
	if err != nil || !there {
		t.Fatalf("the empty hour has no certificate: %v", err)
	}
	e, err := certificate.Read(last.Envelope)
	if err != nil || e.Hops[0].Events != 0 || e.Coverage.Windows != 60 {
		t.Fatalf("%v: %+v", err, e)
	}
}

// What became visible too late to be followed is found with the next sweep.
func TestACertificateThatStandsOverABadHourIsFoundByTheSweep(t *testing.T) {
	s := ended(t)
	b := newBook(s)
	got, err := s.issuer(b).Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, certificate.Certify, "")
	s.hear(4000, saw(s.says("app", 1, 3990), 0, span(10, 10)), s.says("sink", 2, 3999, "app"))
	c := s.certifier(b)
	overlooked, err := c.overlooked(t.Context(), []string{s.stream}, s.now)
	if err != nil || len(overlooked) != 1 || !overlooked[0].Start.Equal(five) {
		t.Fatalf("%v, %v", overlooked, err)
	}
	if err := c.handleAll(t.Context(), overlooked); err != nil {
		t.Fatal(err)
	}
	if got := s.standing(); got != "revoke 2" {
		t.Fatalf("the hour stands as %q", got)
	}
	if again, err := c.overlooked(t.Context(), []string{s.stream}, s.now); err != nil || len(again) != 0 {
		t.Errorf("%v, %v", again, err)
	}
}
