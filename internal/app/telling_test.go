package app

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

// oncall counts by the ids of events how often it was called.
type oncall struct {
	*httptest.Server
	mu    sync.Mutex
	calls map[string]int
	texts []string
}

func newOncall(t *testing.T) *oncall {
	o := &oncall{calls: map[string]int{}}
	o.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var event struct {
			ID   string
			Data struct{ Text string }
		}
		_ = json.Unmarshal(body, &event)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.calls[event.ID]++
		o.texts = append(o.texts, event.Data.Text)
	}))
	t.Cleanup(o.Close)
	return o
}

func (o *oncall) called() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.calls)
}

// wantOnce checks that there were n events, and each was told once.
func (o *oncall) wantOnce(t *testing.T, n int) {
	t.Helper()
	called := o.called()
	if len(called) != n {
		t.Errorf("%d events are told, want %d", len(called), n)
	}
	for id, times := range called {
		if times != 1 {
			t.Errorf("event %s is told %d times", id, times)
		}
	}
}

// many is of how many streams there are incidents: both of two processes hold some of their shares.
const many = 24

// open stores an incident of each of many streams, open since now.
func (s *site) open(batch byte) {
	s.t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	var incidents []store.Incident
	for n := range many {
		first := minutesAgo(10 + 2*int(batch))
		incidents = append(incidents, store.Incident{
			ID: wire.UID{0: batch, 15: byte(n)}, Stream: streamName(n), Edge: store.Edge{From: "app", To: "sink"}, Cause: store.CauseLoss, First: first,
			Last: first, FirstBad: first, Seconds: 60, Windows: 1, Bad: 1, Lost: 1, Expected: 10, OpenedAt: now, Since: now, Version: 1, Text: "[LOSS]",
		})
	}
	if err := s.store.AddIncidents(s.t.Context(), incidents); err != nil {
		s.t.Fatal(err)
	}
}

// halves starts two processes that judge, each of them half of the streams.
func (s *site) halves() (first, second *process) {
	first, second = s.start(Reconcile), s.start(Reconcile)
	until(s.t, "each holds a half", func() bool { return first.shares() == store.Shares/2 && second.shares() == store.Shares/2 })
	return first, second
}

func TestOfAnIncidentOnlyTheProcessTellsThatJudgesItsStream(t *testing.T) {
	s, called := newSite(t), newOncall(t)
	s.place.Hook, s.place.Hold = called.URL, -1
	s.halves()
	s.open(1)
	until(t, "all are told", func() bool { return len(called.called()) == many })
	s.open(2) // once these are told both have looked again at the first
	until(t, "all later ones are told", func() bool { return len(called.called()) == 2*many })
	called.wantOnce(t, 2*many)
}

func TestWhatAKilledProcessHadNotToldIsToldOnceByAnother(t *testing.T) {
	s, called := newSite(t), newOncall(t)
	s.place.Hook, s.place.Hold = called.URL, 4*time.Second
	first, _ := s.halves()
	s.open(1)
	first.kill()
	if n := len(called.called()); n > 0 {
		t.Fatalf("%d were told before the process was killed", n)
	}
	took := until(t, "all are told", func() bool { return len(called.called()) == many })
	if limit := takeover + s.place.Hold; took > limit {
		t.Errorf("it took %v, want %v", took, limit)
	}
	s.open(2)
	until(t, "all later ones are told", func() bool { return len(called.called()) == 2*many })
	called.wantOnce(t, 2*many)
}

// A loss in reports that one process takes in is judged and told by another, and the page of a third hears of it.
func TestALossIsToldByAReconcilerAndOnTheLiveStreamOfAnInspectorAlone(t *testing.T) {
	s, called := newSite(t), newOncall(t)
	s.place.Hook, s.place.Hold = called.URL, -1
	intake, judge, page := s.start(Ingest), s.start(Reconcile), s.start(Inspector)
	for _, p := range []*process{intake, judge, page} {
		until(t, "it is ready", p.ready)
	}
	events := page.live()
	now := time.Now().UTC()
	start := now.Add(-10 * time.Minute).Truncate(time.Minute)
	if code := intake.post(lossy(start, now, 8, 1)); code != http.StatusOK {
		t.Fatalf("the reports are answered %d", code)
	}
	want := fmt.Sprintf("[LOSS] orders app→sink %s:00Z: 1 of 10 missing", start.Format("15"))
	until(t, "somebody is called", func() bool { return len(called.called()) > 0 })
	called.wantOnce(t, 1)
	if got := called.texts[0]; !strings.HasPrefix(got, want) || !strings.Contains(got, "web-17") {
		t.Errorf("told %q, want %q", got, want)
	}
	for {
		select {
		case data := <-events:
			if strings.Contains(data, want) && strings.Contains(data, `"state":"open"`) {
				return
			}
		case <-time.After(takeover):
			t.Fatal("the live stream does not tell of the incident")
		}
	}
}

// live yields the data of the events of type incident.
func (p *process) live() <-chan string {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.url+"/api/v1/stream", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	found := make(chan string, 100)
	go func() {
		defer answer.Body.Close()
		lines, kind := bufio.NewScanner(answer.Body), ""
		for lines.Scan() {
			if key, value, _ := strings.Cut(lines.Text(), ": "); key == "event" {
				kind = value
			} else if key == "data" && kind == "incident" {
				found <- value
			}
		}
	}()
	return found
}
