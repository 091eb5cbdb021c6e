package app

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/cli"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// untilAsked runs a command again and again until it ends as wanted and says something.
func untilAsked(t *testing.T, a *App, code int, says string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		got, text := asked(t, a, args...)
		if got == code && strings.Contains(text, says) {
			return text
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: exit code %d and not %d with %q:\n%s", strings.Join(args, " "), got, code, says, text)
		case <-tick.C:
		}
	}
}

// setEdges sets the edge that orders must have.
func setEdges(t *testing.T, a *App, edge string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, a.URL()+"/api/v1/streams/orders", strings.NewReader(`{"edges":["`+edge+`"]}`))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("edges were not set: %s", answer.Status)
	}
}

// entries reads the live stream and passes the entries of chains on that it tells.
func entries(t *testing.T, a *App) <-chan api.CertificateEvent {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL()+"/api/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan api.CertificateEvent, 10)
	go func() {
		defer answer.Body.Close()
		defer close(told)
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 1<<20)
		for kind := ""; lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			var e api.CertificateEvent
			if key == "event" {
				kind = value
			}
			if key == "data" && kind == "certificate" && json.Unmarshal([]byte(value), &e) == nil {
				told <- e
			}
		}
	}()
	return told
}

func wantEntry(t *testing.T, told <-chan api.CertificateEvent, number uint64, action, standing string) {
	t.Helper()
	select {
	case e, ok := <-told:
		if !ok || e.Number != number || e.Action != action || e.Standing != standing || e.Stream != "orders" {
			t.Errorf("the live stream tells %+v; want entry %d, %s", e, number, action)
		}
	case <-time.After(time.Minute):
		t.Fatalf("the live stream does not tell entry %d", number)
	}
}

// A job waits at the gate, an event comes late and takes the certificate back, and what it waited for mends it: each is told to all who ask.
func TestTheGateOpensOnceAnHourIsCertifiedAndClosesWhileItIsGoodNoMore(t *testing.T) {
	t.Setenv("ROLLCALL_LIBCHDB", testenv.Library(t))
	a := startHere(t, t.TempDir())
	defer func() { _ = a.Stop(context.WithoutCancel(t.Context())) }()
	now := time.Now().UTC()
	start := now.Truncate(time.Hour).Add(-61 * time.Minute) // the last window of an hour: of those before the stream was not known
	hour := certificate.HourOf(start).String()
	first := checked(start, now)
	post(t, a, "/reports", first)
	untilAsked(t, a, cli.Bad, "set edges", "certify", "orders", hour)
	setEdges(t, a, "app..sink")
	told := entries(t, a)
	untilAsked(t, a, cli.Bad, "nobody has asked for its certificate", "gate", "orders", hour)
	untilAsked(t, a, cli.Good, "certified", "certify", "orders", hour)
	wantEntry(t, told, 1, "certify", "certified")
	untilAsked(t, a, cli.Good, "certified", "gate", "orders", hour)

	late := strings.ReplaceAll(strings.Replace(first, "[[0,9]]", "[[0,10]]", 1), `"number":1`, `"number":2`)
	post(t, a, "/reports", late)
	untilAsked(t, a, cli.Bad, "revoked", "gate", "orders", hour)
	wantEntry(t, told, 2, "revoke", "revoked")
	untilAsked(t, a, cli.Bad, "[REVOKED] orders hour "+hour+": certificate taken back by entry 2: 1 lost", "incidents")
	var hours api.Page[api.Hour]
	ask(t, a, "/api/v1/hours?from="+start.Truncate(time.Hour).Format(time.RFC3339)+"&to="+start.Add(time.Minute).Format(time.RFC3339), &hours)
	if h := hours.Items; len(h) != 1 || h[0].Certified || h[0].Certificate == nil || *h[0].Certificate != (api.HourEntry{Number: 2, Standing: "revoked"}) {
		t.Errorf("%+v", h)
	}

	post(t, a, "/reports", strings.ReplaceAll(strings.ReplaceAll(first, "[[0,9]]", "[[0,10]]"), `"number":1`, `"number":3`))
	untilAsked(t, a, cli.Good, "certified", "gate", "orders", hour)
	wantEntry(t, told, 3, "supersede", "certified")
	untilAsked(t, a, cli.Good, "[RESOLVED] orders hour "+hour+": certified again by entry 3", "incidents", "--state", "resolved", "--stream", "orders")
}
