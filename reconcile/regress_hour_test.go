package reconcile

import (
	"context"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/store"
)

// require sets the edges of the stream, and makes no pass.
func (s *scene) require(edges ...store.Edge) {
	s.t.Helper()
	settings := store.DefaultSettings(s.stream)
	settings.Edges = edges
	if err := s.store.PutSettings(s.t.Context(), settings, s.now); err != nil {
		s.t.Fatal(err)
	}
}

var appMirror = store.Edge{From: "app", To: "mirror"}

// Nothing was compared on an edge that is required since: neither may the windows that have events be left out for that, nor may those
// without be called complete on it.
func TestAnHourIsNotCertifiedOnAnEdgeThatWasNotJudged(t *testing.T) {
	s := ended(t)
	s.require(appMirror)
	got, err := s.issuer(newBook(s)).Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, "", "")
	s.pass()
	got, err = s.issuer(newBook(s)).Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, "", "")
}

// The same of an hour that was empty.
func TestAnEmptyHourIsNotCertifiedOnAnEdgeThatWasNotJudged(t *testing.T) {
	s := ended(t)
	s.hear(7300, s.says("app", 1, 7290), s.says("sink", 2, 7299, "app"))
	s.wait(7400)
	s.require(appSink, appMirror)
	got, err := s.issuer(newBook(s)).Issue(t.Context(), s.stream, five.Add(time.Hour), "ada")
	s.wantIssue(got, err, "", "")
	s.pass()
	got, err = s.issuer(newBook(s)).Issue(t.Context(), s.stream, five.Add(time.Hour), "ada")
	s.wantIssue(got, err, "", "")
}

func TestAnOldHourIsNotCertifiedOnAnEdgeThatNobodyCanJudgeAnyMore(t *testing.T) {
	s := ended(t)
	s.hear(longAfter+3600, s.says("app", 1, longAfter+3600), s.says("sink", 2, longAfter+3600, "app"))
	for range 40 {
		s.pass()
	}
	s.require(appMirror)
	s.pass()
	got, err := s.issuer(newBook(s)).Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, "", "")
	got, err = s.issuer(newBook(s)).Issue(t.Context(), s.stream, five.Add(24*time.Hour), "ada")
	s.wantIssue(got, err, "", "")
}

// slowInsert is a store that takes an instant for what it stores and shows it later, when what took a later one was seen already.
type slowInsert struct {
	*store.Store
	latest time.Time // zero: nothing was held back
}

func (s *slowInsert) ChangedHours(ctx context.Context, since time.Time) ([]store.ChangedHour, error) {
	changed, err := s.Store.ChangedHours(ctx, since)
	for i := range changed {
		if !s.latest.IsZero() && changed[i].StoredAt.After(s.latest) {
			changed[i].StoredAt = s.latest
		}
	}
	return changed, err
}

func TestAVerdictThatBecomesVisibleAfterALaterOneIsFollowed(t *testing.T) {
	s := ended(t)
	b := newBook(s)
	got, err := s.issuer(b).Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, certificate.Certify, "")
	c := s.certifier(b)
	slow := &slowInsert{Store: s.store}
	c.store = slow
	s.certify(c)
	for _, at := range c.seen {
		slow.latest = later(slow.latest, at.StoredAt)
	}
	s.hear(4000, saw(s.says("app", 1, 3990), 0, span(10, 11)), s.says("sink", 2, 3999, "app"))
	s.certify(c)
	if got := s.standing(); got != "revoke 2" {
		t.Errorf("two are lost, and the hour stands as %q", got)
	}
}

// What was looked at is not read again for ever because other streams are quiet.
func TestQuietSharesDoNotHaveOldChangesReadAgain(t *testing.T) {
	s := ended(t)
	c := s.certifier(newBook(s))
	s.certify(c)
	changed, err := s.store.ChangedHours(t.Context(), c.since())
	if err != nil || len(changed) == 0 {
		t.Fatal(err, changed)
	}
	if from := changed[len(changed)-1].StoredAt.Add(-feedReach); c.since().Before(from) {
		t.Errorf("changes are read from %s on, want %s", c.since(), from)
	}
}

// UIDs that Rollcall did not number may be kept for less long than windows. A certificate made without them would sign that there were none.
func TestAnHourOfWhichUIDsAreForgottenIsNeitherCertifiedNorSuperseded(t *testing.T) {
	s := ended(t)
	b := newBook(s)
	i := s.issuer(b)
	i.reader = NewReader(s.store).Keeping(store.Retention{ForeignDays: store.LeastEvidence})
	soon := s.now
	s.now = five.Add(40 * 24 * time.Hour)
	got, err := i.Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, "", "")
	if bars := got.Hour.SettledBars(); len(bars) != 1 || bars[0] != "unknown" {
		t.Errorf("in the way: %v", got.Hour.Bars)
	}
	s.now = soon
	got, err = i.Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, certificate.Certify, "")
	s.hear(4000, saw(s.says("app", 1, 3990), 0, span(10, 10)), saw(s.says("sink", 2, 3999, "app"), 0, span(10, 10)))
	s.now = five.Add(40 * 24 * time.Hour)
	got, err = i.Issue(t.Context(), s.stream, five, "ada")
	s.wantIssue(got, err, "", "")
	if !got.Stands() {
		t.Error("what was certified in time stands no more")
	}
}
