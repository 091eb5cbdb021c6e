package inspector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

func (m *memory) LastCertificate(_ context.Context, stream string, hour time.Time) (store.Certificate, bool, error) {
	var last store.Certificate
	for _, c := range m.issued {
		if c.Stream == stream && c.Hour.Equal(hour) && c.Number > last.Number {
			last = c.Certificate
		}
	}
	return last, last.Number > 0, m.err
}

func (m *memory) LastEntries(_ context.Context, streams []string, from, to time.Time) (map[store.WindowKey]store.Standing, error) {
	found := map[store.WindowKey]store.Standing{}
	for _, c := range m.issued {
		k := store.WindowKey{Stream: c.Stream, Start: c.Hour}
		if slices.Contains(streams, c.Stream) && !c.Hour.Before(from) && c.Hour.Before(to) && c.Number > found[k].Number {
			found[k] = store.Standing{Number: c.Number, Action: c.Action}
		}
	}
	return found, m.err
}

const (
	gateFour = "/api/v1/streams/orders/hours/2026-11-22T04/certificate"
	gateFive = "/api/v1/streams/orders/hours/2026-11-22T05/certificate"
)

// hourFour is an hour that has ended, with what stands in the way of its certificate.
func hourFour(state store.State, bars ...string) store.Hour {
	return store.Hour{Stream: "orders", Start: testStart.Add(-time.Hour).Truncate(time.Hour), State: state, Bars: bars}
}

func withCounts(h store.Hour, counts store.Counts, waived store.Waived) store.Hour {
	h.Counts, h.Waived = counts, waived
	return h
}

func TestTheGateSaysOfAnHourWithoutACertificateWhatItWaitsFor(t *testing.T) {
	running := store.Hour{Stream: "orders", Start: testStart.Truncate(time.Hour), State: store.Open, Bars: []string{"running"}}
	for _, c := range []struct {
		name, path string
		hour       store.Hour
		status     int
		says       string
	}{
		{"an hour that is none", "orders/hours/2026-11-22T25", store.Hour{}, 400, `path.hour: "2026-11-22T25" is not an hour in UTC, as 2026-11-22T05`},
		{"a day", "orders/hours/2026-11-22", store.Hour{}, 400, "is not an hour in UTC"},
		{"an hour that has not begun", "orders/hours/2026-11-22T06", store.Hour{}, 404, "hour 2026-11-22T06 lies in the future"},
		{"a name that is none", "-/hours/2026-11-22T04", store.Hour{}, 400, "path.stream"},
		{"a stream that is not known", "payments/hours/2026-11-22T04", store.Hour{}, 404, `no stream "payments"`},
		{"an hour before the first report", "orders/hours/2026-11-22T03", hourFour(store.Complete), 404, "stream orders has no window in hour 2026-11-22T03"},
		{"running", "orders/hours/2026-11-22T05", running, 404, "hour 2026-11-22T05 of orders is not certified yet: it runs until 2026-11-22T06:00:00Z"},
		{"settling", "orders/hours/2026-11-22T04", hourFour(store.Settling, "settling"), 404, "is not certified yet: it is settling"},
		{"nobody asked", "orders/hours/2026-11-22T04", hourFour(store.Complete), 404, "it is complete, and nobody has asked for its certificate"},
		{"no edges", "orders/hours/2026-11-22T04", hourFour(store.Complete, "edges-not-set"), 404, "an edge nobody ever reported cannot be discovered: set edges"},
		{"lost", "orders/hours/2026-11-22T04", withCounts(hourFour(store.Incomplete, "lost"), store.Counts{Lost: 3}, store.Waived{}), 409,
			"hour 2026-11-22T04 of orders cannot be certified: 3 events are lost and not waived"},
		{"partly waived", "orders/hours/2026-11-22T04", withCounts(hourFour(store.Incomplete, "lost", "rejected"), store.Counts{Lost: 3, Rejected: 1}, store.Waived{Lost: 2}), 409,
			"3 events are lost, of which 2 are waived; 1 events are rejected and not waived"},
		{"unknown", "orders/hours/2026-11-22T04", hourFour(store.Unknown, "unknown"), 409, "some of it is unknown: nobody can say that nothing is missing"},
		{"lost while it settles", "orders/hours/2026-11-22T04", withCounts(hourFour(store.Settling, "settling", "lost"), store.Counts{Lost: 1}, store.Waived{}), 409, "1 events are lost"},
		{"no traffic", "orders/hours/2026-11-22T04", hourFour(store.Complete, "no-traffic"), 409, "it has no event at all, and the stream expects traffic"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			f.auditor.hours = []store.Hour{c.hour}
			w := f.ask("GET", "/api/v1/streams/"+c.path+"/certificate", "")
			p := wantProblem(t, w, c.status, c.says)
			if waits := strings.Contains(p.Detail, "not certified yet"); waits != (w.Header().Get("Retry-After") == "10") {
				t.Errorf("Retry-After %q: %s", w.Header().Get("Retry-After"), p.Detail)
			}
			if c.status == 409 && (len(p.Errors) == 0 || !strings.HasPrefix(p.Errors[0].Path, "hour.")) {
				t.Errorf("faults %+v", p.Errors)
			}
		})
	}
}

func TestTheGateAnswersWithTheNewestEntryOfAnHour(t *testing.T) {
	f := newFixture(t)
	f.store.issued = certified()
	f.store.issued[1].Reason = "2 came late"
	w := f.ask("GET", gateFive, "")
	if w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"payload":"a+b/2=="}` || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("certified: %d %s %q", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	w = f.ask("GET", gateFour, "")
	wantProblem(t, w, http.StatusGone, "the certificate of hour 2026-11-22T04 of orders was revoked at 2026-11-22T05:30:30Z: 2 came late")
	again := certified()[2]
	again.Number, again.Action, again.Envelope, again.Hour = 4, "supersede", []byte(`{"payload":"a+b/4=="}`), certified()[0].Hour
	f.store.issued = append(f.store.issued, again)
	if w := f.ask("GET", gateFour, ""); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"payload":"a+b/4=="}` {
		t.Errorf("superseded: %d %s", w.Code, w.Body)
	}
	f.store.err = store.ErrAway
	if w := f.ask("GET", gateFive, ""); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("a store that is away: %d %s", w.Code, w.Body)
	}
}

// signer is an issuer whose answer a test lays out.
type signer struct {
	issue store.Issue
	err   error
	asked []string
}

func (s *signer) Issue(_ context.Context, stream string, hour time.Time, who string) (store.Issue, error) {
	s.asked = append(s.asked, fmt.Sprint(stream, " ", hour.Format(hourForm), " by ", who))
	return s.issue, s.err
}

func TestAskingForACertificateTellsWhatWasIssuedOrWhatStandsInTheWay(t *testing.T) {
	entry := certified()[0].Certificate
	entry.Hash = [32]byte{0xab}
	revoked := certified()[1].Certificate
	soon := hourFour(store.Settling, "settling")
	soon.Next = testNow.Add(90 * time.Second)
	for _, c := range []struct {
		name    string
		issue   store.Issue
		err     error
		status  int
		says    string
		waiting string // Retry-After
	}{
		{name: "issued", issue: store.Issue{Hour: hourFour(store.Complete), Action: "certify", Last: &entry}, status: 201, says: `{"payload":"a+b/1=="}`},
		{name: "superseded", issue: store.Issue{Hour: hourFour(store.Complete), Action: "supersede", Last: &entry}, status: 201, says: `{"payload":"a+b/1=="}`},
		{name: "it stands", issue: store.Issue{Hour: hourFour(store.Complete), Last: &entry}, status: 200, says: `{"payload":"a+b/1=="}`},
		{name: "it stands and edges were taken out of the settings", issue: store.Issue{Hour: hourFour(store.Complete, "edges-not-set"), Last: &entry}, status: 200, says: `{"payload":"a+b/1=="}`},
		{name: "revoked by it", issue: store.Issue{Hour: withCounts(hourFour(store.Incomplete, "lost"), store.Counts{Lost: 2}, store.Waived{}), Action: "revoke", Last: &revoked},
			status: 409, says: "2 events are lost and not waived"},
		{name: "unknown", issue: store.Issue{Hour: hourFour(store.Unknown, "unknown")}, status: 409, says: "nobody can say that nothing is missing"},
		{name: "unknown, and no edges", issue: store.Issue{Hour: hourFour(store.Unknown, "edges-not-set", "unknown")}, status: 409, says: "discovered: set edges; some of it is unknown"},
		{name: "settling", issue: store.Issue{Hour: soon}, status: 425, says: "hour 2026-11-22T04 of orders cannot be certified yet: it is settling", waiting: "90"},
		{name: "no edges", issue: store.Issue{Hour: hourFour(store.Settling, "edges-not-set", "settling")}, status: 409, says: "set edges"},
		{name: "the chain is away", err: errors.New("no broker answers"), status: 503, says: "ask again: the server's log says why", waiting: "5"},
		{name: "the chain does not answer", err: context.DeadlineExceeded, status: 503, says: "or it is not known whether it was", waiting: "5"},
		{name: "the store is away", err: fmt.Errorf("look: %w", store.ErrAway), status: 503, says: "the store cannot be reached", waiting: "2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &signer{issue: c.issue, err: c.err}
			f := newFixture(t, func(d *Deps, _ *Config) { d.Issuer = s })
			f.auditor.hours = []store.Hour{hourFour(store.Complete)}
			w := f.ask("POST", gateFour, "")
			if diff := cmp.Diff([]string{"orders 2026-11-22T04 by local"}, s.asked); diff != "" {
				t.Error(diff)
			}
			if w.Header().Get("Retry-After") != c.waiting {
				t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
			}
			if c.status >= 400 {
				wantProblem(t, w, c.status, c.says)
			} else if w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.says || !strings.HasPrefix(w.Header().Get("ETag"), `"ab00`) {
				t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
			}
		})
	}
}

func TestACertificateIsNotAskedForWhereNoneCanBe(t *testing.T) {
	s := &signer{}
	f := newFixture(t, func(d *Deps, _ *Config) { d.Issuer = s })
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"orders/hours/2026-11-22T07": {400, "path.hour: hour 2026-11-22T07 lies in the future"}, "orders/hours/today": {400, "is not an hour"},
		"payments/hours/2026-11-22T04": {404, "no stream"}, "orders/hours/2026-11-22T03": {404, "has no window"}, "-/hours/2026-11-22T04": {400, "path.stream"},
	} {
		wantProblem(t, f.ask("POST", "/api/v1/streams/"+path+"/certificate", ""), want.status, want.says)
	}
	if len(s.asked) != 0 {
		t.Errorf("asked: %v", s.asked)
	}
	without := newFixture(t)
	wantProblem(t, without.ask("POST", gateFive, ""), http.StatusNotImplemented, "this server has no keys to sign certificates with: give it --keys")
}

func TestHoursAreToldWithTheirCertificatesAndWhenTheyCanHaveOne(t *testing.T) {
	f := newFixture(t)
	f.store.issued = certified()
	five := store.Hour{Stream: "orders", Start: testStart.Truncate(time.Hour), State: store.Open, Bars: []string{"running"}, Next: testNow.Add(time.Hour)}
	other := hourFour(store.Complete)
	other.Stream = "payments"
	f.auditor.hours = []store.Hour{hourFour(store.Incomplete, "lost"), five, other}
	var got []string
	for _, h := range read[api.Page[api.Hour]](f, "/api/v1/hours?from=2026-11-22T04:00:00Z").Items {
		line := fmt.Sprint(h.Stream, " ", h.Hour, " ", h.Certified)
		if h.Certificate != nil {
			line += fmt.Sprint(" ", h.Certificate.Standing, " ", h.Certificate.Number)
		}
		if h.NextCertifiableAt != nil {
			line += " from " + stamp(*h.NextCertifiableAt)
		}
		got = append(got, line)
	}
	want := []string{"orders 2026-11-22T04 false revoked 3", "payments 2026-11-22T04 false", "orders 2026-11-22T05 true certified 2 from 2026-11-22T06:30:30Z"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if h := read[api.HourDetail](f, "/api/v1/streams/orders/hours/2026-11-22T05"); !h.Certified || h.Certificate == nil || h.Certificate.Number != 2 {
		t.Errorf("%+v", h)
	}
}
