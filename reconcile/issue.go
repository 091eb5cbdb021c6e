package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

// Issuing is who certificates are issued by that nobody asked for.
const Issuing = "rollcall"

// IssuerStore is what issuing reads beside what a Reader does.
type IssuerStore interface {
	ReaderStore
	contentsStore
	LastCertificate(ctx context.Context, stream string, hour time.Time) (store.Certificate, bool, error)
}

// Ledger keeps the chains of certificates; see internal/chain.
type Ledger interface {
	Append(ctx context.Context, stream string, make func(certificate.Head) ([]byte, error)) (*certificate.Entry, error)
}

// Issuer makes the entries of the chains: it certifies an hour that is good, supersedes the certificate of one that changed, and revokes that
// of one that is good no more.
type Issuer struct {
	store  IssuerStore
	reader *Reader
	ledger Ledger
	keys   func() *certificate.Keys
	now    func() time.Time
}

// IssuerDeps are what an Issuer is built from.
type IssuerDeps struct {
	Store  IssuerStore
	Reader *Reader // over the same store
	Ledger Ledger
	Keys   func() *certificate.Keys // asked for each time anew
	Now    func() time.Time         // nil: time.Now
}

// NewIssuer returns an issuer over its dependencies.
func NewIssuer(d IssuerDeps) *Issuer {
	if d.Now == nil {
		d.Now = time.Now
	}
	return &Issuer{store: d.Store, reader: d.Reader, ledger: d.Ledger, keys: d.Keys, now: d.Now}
}

// Issue certifies an hour because somebody asked for it. Where nothing is to be issued the outcome says what stands, or what stands in the way:
// Hour.Bars.
func (i *Issuer) Issue(ctx context.Context, stream string, hour time.Time, who string) (store.Issue, error) {
	return i.issue(ctx, stream, hour, who, true)
}

// Follow does what is to be done of an hour without being asked: what was certified is superseded or revoked, and an hour of a stream
// whose policy says so is certified.
func (i *Issuer) Follow(ctx context.Context, stream string, hour time.Time) (store.Issue, error) {
	return i.issue(ctx, stream, hour, Issuing, false)
}

// errSettled ends an append: there is nothing to be issued any more.
var errSettled = errors.New("there is nothing to be issued")

// issue looks whether there is something to be issued before it asks the chain, and again for the head after which the entry is to stand: another
// server may have been faster. What was issued is looked at once more, since a verdict may have been stored in between.
func (i *Issuer) issue(ctx context.Context, stream string, hour time.Time, who string, asked bool) (store.Issue, error) {
	looked, err := i.look(ctx, stream, hour, asked)
	if err != nil || looked.action == "" {
		return looked.outcome(nil), err
	}
	entry, err := i.ledger.Append(ctx, stream, func(head certificate.Head) ([]byte, error) {
		var err error
		if looked, err = i.look(ctx, stream, hour, asked); err != nil {
			return nil, err
		}
		if looked.action == "" {
			return nil, errSettled
		}
		return i.sign(ctx, head, &looked, who)
	})
	switch {
	case errors.Is(err, errSettled):
		return looked.outcome(nil), nil
	case err != nil:
		return looked.outcome(nil), fmt.Errorf("reconcile: %s hour %s of %s: %w", looked.action, certificate.HourOf(hour), stream, err)
	case entry.Action == certificate.Revoke:
		return looked.outcome(entry), nil
	}
	after, err := i.reader.appraise(ctx, stream, hour, nil, i.now())
	if err != nil || len(after.hour.SettledBars()) > 0 {
		return i.Follow(ctx, stream, hour)
	}
	return looked.outcome(entry), nil
}

// sign makes the entry that follows a head.
func (i *Issuer) sign(ctx context.Context, head certificate.Head, l *look, who string) ([]byte, error) {
	now := i.now()
	key, err := i.keys().Signing(now)
	if err != nil {
		return nil, err
	}
	if l.content == nil {
		if l.content, err = i.contents(ctx, &l.appraisal); err != nil {
			return nil, err
		}
	}
	content := *l.content
	content.Action, content.Reason, content.IssuedAt, content.IssuedBy = l.action, l.reason, now, who
	return certificate.Sign(head.Next(content), key)
}

// look is what was found to be done of an hour.
type look struct {
	appraisal
	last    *store.Certificate   // the last entry of the hour; nil for none
	content *certificate.Content // nil while it need not be known
	action  certificate.Action   // empty: nothing is to be done
	reason  string
}

func (l *look) outcome(entry *certificate.Entry) store.Issue {
	o := store.Issue{Hour: l.hour, Last: l.last}
	if entry != nil {
		o.Action = string(entry.Action)
		o.Last = &store.Certificate{
			Stream: entry.Stream, Number: entry.Number, Hour: entry.Hour.Time, Action: o.Action, Previous: entry.Previous, Hash: entry.Hash, Key: entry.KeyID,
			IssuedAt: entry.IssuedAt, IssuedBy: entry.IssuedBy, Reason: entry.Reason, Envelope: entry.Envelope,
		}
	}
	return o
}

func (i *Issuer) look(ctx context.Context, stream string, hour time.Time, asked bool) (look, error) {
	var l look
	last, there, err := i.store.LastCertificate(ctx, stream, hour)
	if err != nil {
		return l, err
	}
	if there {
		l.last = &last
	}
	now := i.now()
	forgotten := i.reader.forgets(hour, now)
	if l.appraisal, err = i.reader.appraise(ctx, stream, hour, nil, now); err != nil || l.hour.State == 0 || forgotten && l.stands() {
		return l, err
	}
	if unknown := store.Unknown.String(); forgotten && !slices.Contains(l.hour.Bars, unknown) {
		l.hour.Bars = append(l.hour.Bars, unknown) // its digests would be of what is left
	}
	if err := i.await(ctx, &l.hour, now); err != nil {
		return l, err
	}
	if l.decide(asked); l.action != "" || !l.stands() || len(l.hour.Bars) > 0 {
		return l, nil
	}
	return l, i.compare(ctx, &l)
}

// await has an hour settle of which a report is stored and not judged yet: what its hops took over would be of another instant than its verdicts.
func (i *Issuer) await(ctx context.Context, h *store.Hour, now time.Time) error {
	if slices.Contains(h.Bars, store.BarSettling) {
		return nil
	}
	marks, err := i.store.MarksOf(ctx, []string{h.Stream})
	if err != nil {
		return err
	}
	end := h.Start.Add(time.Hour)
	if slices.ContainsFunc(marks, func(m store.Mark) bool { return !m.Start.Before(h.Start) && m.Start.Before(end) && !m.Due.After(now) }) {
		h.Bars = append(h.Bars, store.BarSettling)
	}
	return nil
}

// stands says whether the hour has a certificate that holds.
func (l *look) stands() bool { return l.last != nil && l.last.Action != string(certificate.Revoke) }

// certifiable says whether an hour that has no certificate that holds is to get one: whoever relied on an earlier one is told so too.
func (l *look) certifiable(asked bool) bool {
	return len(l.hour.Bars) == 0 && (asked || l.settings.Auto || l.last != nil)
}

// decide says what is to be done by what stands in the way.
func (l *look) decide(asked bool) {
	switch settled := l.hour.SettledBars(); {
	case l.stands() && len(settled) > 0:
		l.action, l.reason = certificate.Revoke, reasonOf(&l.hour, settled)
	case l.stands() || !l.certifiable(asked):
	case l.last == nil:
		l.action = certificate.Certify
	default:
		l.action, l.reason = certificate.Supersede, "the hour is good again"
	}
}

// compare holds a certificate against what is so, and has it superseded where that changed.
func (i *Issuer) compare(ctx context.Context, l *look) error {
	before, err := certificate.Read(l.last.Envelope)
	if err != nil {
		return fmt.Errorf("reconcile: entry %d of the chain of %s: %w", l.last.Number, l.last.Stream, err)
	}
	if l.content, err = i.contents(ctx, &l.appraisal); err != nil {
		return err
	}
	if what := difference(&before.Content, l.content); what != "" {
		l.action, l.reason = certificate.Supersede, what
	}
	return nil
}

// reasonOf says in words what is bad about an hour.
func reasonOf(h *store.Hour, bars []string) string {
	words := make([]string, len(bars))
	for i, bar := range bars {
		words[i] = bar
		if events, waived := h.Bad(bar); events > waived {
			words[i] = number(events-waived) + " " + bar
		}
	}
	return strings.Join(words, ", ")
}

// difference says in words how what is so differs from what was certified; empty where it does not.
func difference(before, now *certificate.Content) string {
	for _, hop := range now.Hops {
		for _, old := range before.Hops {
			if old.Hop == hop.Hop && old.Events < hop.Events {
				return number(hop.Events-old.Events) + " more events at " + hop.Hop
			}
			if old.Hop == hop.Hop && old != hop {
				return "what " + hop.Hop + " took over changed"
			}
		}
	}
	switch {
	case len(before.Hops) != len(now.Hops) || len(before.Edges) != len(now.Edges):
		return "the edges changed"
	case len(before.Waivers) != len(now.Waivers):
		return "something was waived"
	}
	for i := range now.Edges {
		if !sameEdge(&before.Edges[i], &now.Edges[i]) {
			return "what is said of " + now.Edges[i].Edge + " changed"
		}
	}
	return ""
}

func sameEdge(a, b *certificate.Edge) bool {
	x, y := *a, *b
	x.Names, y.Names = nil, nil
	return x == y && (a.Names == nil) == (b.Names == nil) && (a.Names == nil || a.Names.Digest == b.Names.Digest)
}
