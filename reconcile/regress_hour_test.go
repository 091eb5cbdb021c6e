package reconcile

import (
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

var _ = certificate.Certify
