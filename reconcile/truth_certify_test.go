package reconcile

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/reconcile/model"
)

const lookSpan = 5 * time.Second // of the histories' time

// certifying has a certifier follow a stage, and dies now and then.
type certifying struct {
	*stage
	now       time.Time
	topic     *topic
	certifier *Certifier
	standing  map[*play]*model.Standing
	crashes   map[fault]int
}

// TestCertificatesEqualTheModelOverRandomHistories lets random histories run past the end of their hour, late data, replays, waivers and closes
// included, under certifiers that die at any of their steps, and holds the chain of each stream against a model after every look.
func TestCertificatesEqualTheModelOverRandomHistories(t *testing.T) {
	if os.Getenv("ROLLCALL_HISTORIES") == "" {
		t.Skip("500 histories take longer than a run of all tests may, and fewer do not meet all that is wanted: set ROLLCALL_HISTORIES=500")
	}
	seed, histories, _ := truthSize(t)
	histories = min(histories, 500)
	allowed := []string{`[]`, `["corrupt","rejected"]`, `["corrupt","rejected","duplicated"]`}
	s := openStore(t)
	c := &certifying{
		stage: newStageOfPlays(t, s, certifiedPlays(seed, histories, allowed)), topic: newTopic(t, s),
		standing: map[*play]*model.Standing{}, crashes: map[fault]int{},
	}
	for i, p := range c.plays {
		c.standing[p] = &model.Standing{Allow: strings.FieldsFunc(allowed[i%len(allowed)], func(r rune) bool { return r < 'a' || r > 'z' })}
	}
	c.begin()
	rng := rand.New(rand.NewPCG(uint64(seed), 1))
	for c.advanceTo(lookSpan) {
		c.look(rng)
		c.compareStandings()
	}
	c.compareIncidents()
	c.wantAll()
}

func certifiedPlays(seed, n int, allowed []string) []*play {
	plays := make([]*play, 0, n)
	for i := range n {
		h := model.Histories().Example(seed + i).RequiringAll().WithAftermath(i).Rounded(lookSpan)
		if len(h.Steps) == 0 || len(h.Settings.Edges) == 0 {
			continue
		}
		p := newPlay("c"+fmt.Sprint(seed), i, h)
		p.certify = fmt.Sprintf(`{"auto":true,"allow":%s}`, allowed[len(plays)%len(allowed)])
		plays = append(plays, p)
	}
	return plays
}

// advanceTo gives the store and the models what happens within a span of time, all by one clock, and makes a pass. It is false where nothing is left.
func (c *certifying) advanceTo(span time.Duration) bool {
	c.t.Helper()
	if !slices.ContainsFunc(c.plays, func(p *play) bool { return p.step < len(p.history.Steps) }) {
		return false
	}
	if c.now.IsZero() {
		first := slices.MinFunc(c.plays, func(a, b *play) int { return a.history.Steps[0].Now.Compare(b.history.Steps[0].Now) })
		c.now = first.history.Steps[0].Now.Add(-span)
	}
	c.now = c.now.Add(span)
	c.until = c.now
	for more := true; more; {
		c.waive()
		more = len(c.deliver()) > 0
	}
	for _, p := range c.plays {
		p.now, c.clock[p.stream] = c.now, c.now
	}
	if _, err := c.pass(c.store, farOff); err != nil {
		c.t.Fatal(err)
	}
	return true
}

// begin starts a certifier that knows what the store does.
func (c *certifying) begin() {
	c.t.Helper()
	c.topic.fault, c.topic.dead = noFault, false
	issuer := NewIssuer(IssuerDeps{
		Store: c.store, Reader: NewReader(c.store), Ledger: c.topic, Keys: func() *certificate.Keys { return c.topic.keys }, Now: func() time.Time { return c.now },
	})
	var err error
	c.certifier, err = NewCertifier(mortal{c.store, c.topic}, issuer, everyShare(), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Fatal(err)
	}
}

// look has the certifier look once; where it dies of it another one does, until one gets through.
func (c *certifying) look(rng *rand.Rand) {
	c.t.Helper()
	if rng.IntN(3) == 0 {
		c.topic.fault, c.topic.countdown = fault(1+rng.IntN(int(allFaults)-1)), rng.IntN(6)
	}
	for {
		c.certifier.swept = time.Time{}
		err := c.certifier.look(c.t.Context())
		if err == nil {
			return
		}
		if !errors.Is(err, errCertifierDied) {
			c.t.Fatal(err)
		}
		c.crashes[c.topic.died]++
		if rng.IntN(3) > 0 {
			c.begin()
		}
		c.topic.dead = false
	}
}

// entries returns the actions of the entries of all streams, in order, of which the store has the last.
func (c *certifying) entries() map[string][]string {
	c.t.Helper()
	found, names := map[string][]string{}, []string{}
	for _, p := range c.plays {
		names = append(names, p.stream)
		for _, one := range c.topic.entries[p.stream] {
			found[p.stream] = append(found[p.stream], one.Action)
		}
	}
	last, err := c.store.LastEntries(c.t.Context(), names, five, five.Add(time.Hour))
	if err != nil {
		c.t.Fatal(err)
	}
	for stream, all := range found {
		if got := last[store.WindowKey{Stream: stream, Start: five}]; got.Number != uint64(len(all)) || got.Action != all[len(all)-1] {
			c.t.Fatalf("of %s the store has the last entry %+v; the topic has %v", stream, got, all)
		}
	}
	return found
}

func (c *certifying) compareStandings() {
	c.t.Helper()
	got := c.entries()
	for _, p := range c.plays {
		s := c.standing[p]
		s.Look(p.model, c.now)
		if diff := cmp.Diff(s.Entries, got[p.stream]); diff != "" {
			c.t.Fatalf("history %s after step %d of %d at %s (-model +service):\n%s\n%s", p.stream, p.step, len(p.history.Steps), c.now.Format(time.TimeOnly), diff, c.reasons(p))
		}
		if s.Stands() && p.model.Bad(c.now, s.Allow) {
			c.t.Fatalf("history %s at %s: a certificate stands of an hour that is not good", p.stream, c.now.Format(time.TimeOnly))
		}
	}
}

func (c *certifying) reasons(p *play) string {
	hour, _, err := NewReader(c.store).HourOfEdge(c.t.Context(), p.stream, five, nil, c.now)
	text := fmt.Sprintf("in the way of a certificate: %v (%v)\n", hour.Bars, err)
	for _, e := range c.topic.entries[p.stream] {
		text += fmt.Sprintf("%d %s at %s: %s\n", e.Number, e.Action, e.IssuedAt.Format(time.TimeOnly), e.Reason)
	}
	return text
}

// compareIncidents: who was told that a certificate was revoked is told how it ended.
func (c *certifying) compareIncidents() {
	c.t.Helper()
	all, err := c.store.Incidents(c.t.Context(), store.IncidentFilter{})
	if err != nil {
		c.t.Fatal(err)
	}
	open := map[string]bool{}
	for _, i := range all {
		if i.Cause == store.CauseRevoked {
			open[i.Stream] = i.State() == store.IncidentOpen
		}
	}
	for _, p := range c.plays {
		s := c.standing[p]
		is, told := open[p.stream]
		if told != slices.Contains(s.Entries, model.Revoked) || is != (told && !s.Stands()) {
			c.t.Errorf("history %s with the entries %v: of a revocation is told: %v, open: %v", p.stream, s.Entries, told, is)
		}
	}
}

// wantAll holds that the histories prove something.
func (c *certifying) wantAll() {
	c.t.Helper()
	met := map[string]int{}
	for _, s := range c.standing {
		last := "none"
		for _, action := range s.Entries {
			met[action]++
			last = action
		}
		met["in the end "+last]++
	}
	c.t.Logf("%d histories: %v; died: %v", len(c.plays), met, c.crashes)
	for _, what := range []string{model.Certified, model.Superseded, model.Revoked, "in the end none", "in the end certify", "in the end supersede", "in the end revoke"} {
		if met[what] == 0 {
			c.t.Errorf("%s was not met: the histories prove too little", what)
		}
	}
	for f := noFault + 1; f < allFaults; f++ {
		if c.crashes[f] == 0 {
			c.t.Errorf("no certifier died of fault %d", f)
		}
	}
}

// fault is where a certifier dies.
type fault int

const (
	noFault       fault = iota
	beforeWriting       // before its entry is in the topic
	beforeCopying       // after that, and before it is in the store
	beforeHearing       // after both, and before it knows
	beforeTelling       // before somebody is told
	beforeKeeping       // before it is kept what was looked at
	allFaults
)

var errCertifierDied = errors.New("died")

// topic is a ledger of which the store has a copy that may be behind: what is in the topic counts, and is copied before anything is appended.
type topic struct {
	store     *store.Store
	keys      *certificate.Keys
	entries   map[string][]store.Certificate
	copied    map[string]int
	fault     fault
	countdown int // how often the step at which it is to die goes well
	died      fault
	dead      bool
}

func newTopic(t *testing.T, s *store.Store) *topic {
	t.Helper()
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	key, err := certificate.NewKey(private.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	key.Private = private
	return &topic{store: s, keys: &certificate.Keys{All: []certificate.Key{key}}, entries: map[string][]store.Certificate{}, copied: map[string]int{}}
}

// at says whether the process dies at a step, and is dead from then on.
func (l *topic) at(f fault) error {
	if !l.dead && l.fault == f {
		if l.countdown--; l.countdown < 0 {
			l.fault, l.died, l.dead = noFault, f, true
		}
	}
	if l.dead {
		return errCertifierDied
	}
	return nil
}

func (l *topic) Append(ctx context.Context, stream string, make func(certificate.Head) ([]byte, error)) (*certificate.Entry, error) {
	if l.dead {
		return nil, errCertifierDied
	}
	if err := l.copy(ctx, stream); err != nil {
		return nil, err
	}
	var head certificate.Head
	if all := l.entries[stream]; len(all) > 0 {
		head.Number, head.Hash = all[len(all)-1].Number, all[len(all)-1].Hash
	}
	text, err := make(head)
	if err != nil {
		return nil, err
	}
	e, _, refused := head.Accept(stream, text, l.keys)
	if refused != nil {
		return nil, refused
	}
	if err := l.at(beforeWriting); err != nil {
		return nil, err
	}
	l.entries[stream] = append(l.entries[stream], store.Certificate{
		Stream: stream, Number: e.Number, Hour: e.Hour.Time, Action: string(e.Action), Previous: e.Previous, Hash: e.Hash, Key: e.KeyID,
		IssuedAt: e.IssuedAt, IssuedBy: e.IssuedBy, Reason: e.Reason, Envelope: e.Envelope, Offset: int64(e.Number),
	})
	if err := l.at(beforeCopying); err != nil {
		return nil, err
	}
	if err := l.copy(ctx, stream); err != nil {
		return nil, err
	}
	return e, l.at(beforeHearing)
}

func (l *topic) copy(ctx context.Context, stream string) error {
	if l.copied[stream] == len(l.entries[stream]) {
		return nil
	}
	if err := l.store.AddCertificates(ctx, l.entries[stream][l.copied[stream]:]); err != nil {
		return err
	}
	l.copied[stream] = len(l.entries[stream])
	return nil
}

// mortal is the store of a certifier that may die.
type mortal struct {
	*store.Store
	topic *topic
}

func (m mortal) AddIncidents(ctx context.Context, incidents []store.Incident) error {
	if err := m.topic.at(beforeTelling); err != nil {
		return err
	}
	return m.Store.AddIncidents(ctx, incidents)
}

func (m mortal) SetCertifiedUpTo(ctx context.Context, upTo map[uint32]time.Time) error {
	if err := m.topic.at(beforeKeeping); err != nil {
		return err
	}
	return m.Store.SetCertifiedUpTo(ctx, upTo)
}
