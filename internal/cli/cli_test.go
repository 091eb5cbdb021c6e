package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/inspector/api"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	lostUID   = "0199f09c-1d2e-8abc-9def-01230000002a"
	nobodyUID = "0199f09c-1d2e-8abc-9def-0123000000ff"
)

var minute = time.Date(2026, 11, 22, 5, 9, 0, 0, time.UTC)

// outcome is what a run of the command line left.
type outcome struct {
	code        int
	out, failed string
}

func runWith(t *testing.T, env Env, stdin string, args ...string) outcome {
	t.Helper()
	var out, failed bytes.Buffer
	env.Version, env.Stdin, env.Stdout, env.Stderr = "1.2.3", strings.NewReader(stdin), &out, &failed
	code := Run(context.Background(), args, env)
	return outcome{code: code, out: out.String(), failed: failed.String()}
}

func run(t *testing.T, server *httptest.Server, args ...string) outcome {
	t.Helper()
	return runWith(t, Env{}, "", append([]string{"--server", server.URL}, args...)...)
}

// pages answers with items in pages of one, so that every list is asked for to its end.
func pages[T any](items ...T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n := 0
		_, _ = fmt.Sscan(r.URL.Query().Get("cursor"), &n)
		page := api.Page[T]{Items: []T{}}
		if n < len(items) {
			page.Items = items[n : n+1]
		}
		if n+1 < len(items) {
			page.Next = fmt.Sprint(n + 1)
		}
		answer(w, http.StatusOK, page)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func problem(status int, detail string, faults ...api.Fault) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		answer(w, status, api.Problem{Title: http.StatusText(status), Status: status, Detail: detail, Errors: faults})
	}
}

func window(start time.Time, edge, state string, change func(*api.Window)) api.Window {
	w := api.Window{Stream: "orders", Start: start, Seconds: 60, Edge: edge, State: state, Revision: 1, Counts: api.Counts{Expected: 200, Delivered: 200}, Reasons: []api.Reason{}}
	if change != nil {
		change(&w)
	}
	return w
}

func good() api.Window { return window(minute, "app..agent", "complete", nil) }

func twoLost() api.Window {
	return window(minute, "agent..warehouse", "incomplete", func(w *api.Window) {
		w.Delivered, w.Lost, w.Duplicated, w.Corrupt = 198, 2, 3, 1
		w.Latency = &api.Latency{P50: 4, P95: 20, P99: 41.6, Max: 90}
		w.Reasons = []api.Reason{{Code: "lost", Text: "2 events were not taken over by warehouse"}, {Code: "duplicated", Text: "3 twice"}}
	})
}

func server(t *testing.T, routes map[string]http.HandlerFunc) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	for route, handler := range routes {
		method, path, _ := strings.Cut(route, " ")
		mux.HandleFunc(method+" /api/v1"+path, handler)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// rollcall answers like a server with one good and one bad window.
func rollcall(t *testing.T) *httptest.Server {
	watermark, sequence := minute, uint32(42)
	named := api.UID{UID: lostUID, Source: "0199f09c-1d2e-8abc-9def-012300000000", Sequence: &sequence, Host: "web-17", LastHop: "agent", Times: 0}
	return server(t, map[string]http.HandlerFunc{
		"GET /streams": pages(api.Stream{
			Stream: "orders", Edges: []string{"app..agent", "agent..warehouse"}, Watermark: &watermark, Last: []api.Window{good(), twoLost()},
			Hops: []api.Hop{{Hop: "app", Emitters: 2}, {Hop: "agent", After: []string{"app"}, Emitters: 1, Dark: 1}}, Settings: api.Settings{Owner: "growth"},
		}),
		"GET /streams/orders/windows":              pages(good(), twoLost()),
		"GET /streams/quiet/windows":               pages[api.Window](),
		"GET /streams/orders/latency":              latencyPages,
		"GET /streams/quiet/latency":               pages[api.LatencyWindow](),
		"GET /streams/orders/windows/{start}/uids": uidsOf(named),
		"GET /uids/" + lostUID: func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, api.Trace{UID: lostUID, Stream: "orders", Window: minute, LastHop: "agent", Hops: []api.TraceHop{
				{Hop: "app", Seen: true, Host: "web-17", Emitters: []string{"e1"}}, {Hop: "agent", Seen: true, Kinds: []string{"corrupt"}, Emitters: []string{"e2"}}, {Hop: "warehouse"},
			}, Neighbours: api.Neighbours{Before: "0199f09c-1d2e-8abc-9def-012300000029", After: "0199f09c-1d2e-8abc-9def-01230000002b"}})
		},
		"GET /uids/" + nobodyUID: problem(http.StatusNotFound, "no window holds it"),
		"GET /hours": pages(
			api.Hour{Stream: "orders", Hour: "2026-11-22T04", State: "complete", Counts: api.Counts{Produced: 7200, Expected: 7200, Delivered: 7200}},
			api.Hour{Stream: "orders", Hour: "2026-11-22T05", State: "unknown", Counts: api.Counts{Produced: 100, Expected: 100, Delivered: 90, Pending: 10, Filtered: 4}}),
	})
}

// uidsOf names one lost UID on the edge agent..warehouse and none elsewhere.
func uidsOf(named api.UID) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("edge") == "agent..warehouse" && r.URL.Query().Get("kind") == "lost" {
			pages(named)(w, r)
			return
		}
		pages[api.UID]()(w, r)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

func TestTablesReadAsTheyDid(t *testing.T) {
	s := rollcall(t)
	for name, args := range map[string][]string{
		"streams.txt":      {"streams"},
		"windows.txt":      {"windows", "orders"},
		"windows-none.txt": {"windows", "quiet"},
		"latency.txt":      {"latency", "orders"},
		"latency.json":     {"latency", "orders", "--output", "json"},
		"latency-edge.txt": {"latency", "orders", "--edge", "app..agent"},
		"latency-none.txt": {"latency", "quiet"},
		"lost.txt":         {"lost", "orders", "2026-11-22T05:09:00Z"},
		"lost-none.txt":    {"lost", "orders", "2026-11-22T05:09Z", "--kind", "corrupt", "--edge", "app..agent"},
		"trace.txt":        {"trace", lostUID},
		"hours.txt":        {"hours"},
		"windows.json":     {"--output", "json", "windows", "orders"},
		"lost-edge.json":   {"lost", "orders", "2026-11-22T05:09:00Z", "--edge", "agent..warehouse", "--output", "json"},
		"lost.json":        {"lost", "orders", "2026-11-22T05:09:00Z", "--output", "json"},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, run(t, s, args...).out) })
	}
}

func TestNoneLostIsNotSaidOfAWindowThatIsNotClosed(t *testing.T) {
	for _, c := range []struct {
		state, kind, said string
		code              int
	}{
		{"unknown", "lost", "None lost in orders, window 2026-11-22T05:09:00Z so far; app..agent is unknown with 7 pending.\n", Bad},
		{"settling", "lost", "None lost in orders, window 2026-11-22T05:09:00Z so far; app..agent is settling with 7 pending.\n", Good},
		{"unknown", "corrupt", "None corrupt in orders, window 2026-11-22T05:09:00Z.\n", Good},
	} {
		v := window(minute, "app..agent", c.state, func(w *api.Window) { w.Pending = 7 })
		s := server(t, map[string]http.HandlerFunc{
			"GET /streams/orders/windows": pages(v), "GET /streams/orders/windows/{start}/uids": pages[api.UID](),
		})
		for _, edge := range [][]string{nil, {"--edge", "app..agent"}} {
			got := run(t, s, append([]string{"lost", "orders", "2026-11-22T05:09:00Z", "--kind", c.kind}, edge...)...)
			if got.out != c.said || got.code != c.code {
				t.Errorf("%s %s %v: %q, exit %d", c.state, c.kind, edge, got.out, got.code)
			}
		}
	}
}

func TestAServerWithoutASchemeIsWrongUse(t *testing.T) {
	got := runWith(t, Env{}, "", "streams", "--server", "localhost:8080")
	if want := "rollcall: --server \"localhost:8080\" is not an address that can be asked: write it as http://127.0.0.1:8080\n"; got.failed != want || got.code != WrongUse {
		t.Errorf("%q, exit %d", got.failed, got.code)
	}
}

func TestExitCodeSaysWhatTheAnswerIs(t *testing.T) {
	full := rollcall(t)
	healthy := server(t, map[string]http.HandlerFunc{
		"GET /streams": pages(api.Stream{Stream: "orders", Last: []api.Window{good()}}), "GET /streams/orders/windows": pages(good()),
		"GET /streams/orders/windows/{start}/uids": pages[api.UID](), "GET /hours": pages(api.Hour{State: "settling"}),
		"POST /streams/orders/emitters/e1/close": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
	})
	broken := server(t, map[string]http.HandlerFunc{
		"GET /streams": problem(500, "the store is away"), "GET /hours": problem(401, "no token"), "GET /streams/orders/windows": problem(403, ""),
		"GET /streams/gone/windows": problem(404, "there is no stream gone"), "GET /uids/x": problem(400, "not a UUID"),
		"GET /streams/loop/windows": func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, api.Page[api.Window]{Next: "again"}) },
		"GET /streams/html/windows": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
	})
	away := httptest.NewServer(nil)
	away.Close()
	for _, c := range []struct {
		at   *httptest.Server
		code int
		args []string
	}{
		{healthy, Good, []string{"streams"}},
		{healthy, Good, []string{"windows", "orders", "--from", "15m"}},
		{healthy, Good, []string{"lost", "orders", "2026-11-22T05:09:00Z"}},
		{healthy, Good, []string{"hours"}},
		{full, Good, []string{"latency", "orders"}},
		{healthy, Good, []string{"version"}},
		{healthy, Good, []string{"--help"}},
		{healthy, Good, []string{"windows", "--help"}},
		{healthy, Good, []string{"close", "emitter", "orders", "e1", "--why", "its host burnt"}},
		{full, Bad, []string{"streams"}},
		{full, Bad, []string{"windows", "orders"}},
		{full, Bad, []string{"windows", "orders", "--output", "json"}},
		{full, Bad, []string{"lost", "orders", "2026-11-22T05:09:00Z"}},
		{full, Bad, []string{"hours"}},
		{full, Bad, []string{"trace", lostUID}},
		{full, Bad, []string{"trace", nobodyUID}},
		{full, WrongUse, nil},
		{full, WrongUse, []string{"find"}},
		{full, WrongUse, []string{"windows"}},
		{full, WrongUse, []string{"windows", "orders", "--from", "yesterday"}},
		{full, WrongUse, []string{"windows", "orders", "--from", "1m", "--to", "2m"}},
		{full, WrongUse, []string{"latency", "orders", "--from", "1m", "--to", "2m"}},
		{full, WrongUse, []string{"lost", "orders", "2026-11-22T05:10:00Z"}},
		{full, WrongUse, []string{"lost", "orders", "2026-11-22T05:09:00Z", "--kind", "missing"}},
		{full, WrongUse, []string{"close", "emitter", "orders", "e1"}},
		{full, WrongUse, []string{"streams", "--output", "xml"}},
		{broken, WrongUse, []string{"windows", "gone"}},
		{broken, WrongUse, []string{"trace", "x"}},
		{broken, CannotAsk, []string{"streams"}},
		{broken, CannotAsk, []string{"hours"}},
		{broken, CannotAsk, []string{"windows", "orders"}},
		{broken, CannotAsk, []string{"windows", "loop"}},
		{broken, CannotAsk, []string{"windows", "html"}},
		{away, CannotAsk, []string{"streams"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			got := run(t, c.at, c.args...)
			if got.code != c.code {
				t.Errorf("exit code %d, want %d; it said %q", got.code, c.code, got.failed)
			}
			if c.code >= WrongUse && got.failed == "" {
				t.Error("it failed without a word")
			}
		})
	}
}

func TestErrorsTellWhatTheServerSays(t *testing.T) {
	s := server(t, map[string]http.HandlerFunc{
		"GET /streams/gone/windows": problem(404, "there is no stream gone"),
		"GET /hours":                problem(400, "the request is wrong", api.Fault{Path: "query.from", Message: "not an instant"}),
	})
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"windows", "gone"}, []string{"404", "there is no stream gone"}},
		{[]string{"hours"}, []string{"GET /hours: ", "the request is wrong", "query.from: not an instant"}},
	} {
		got := run(t, s, c.args...)
		for _, want := range c.says {
			if !strings.Contains(got.failed, want) {
				t.Errorf("%v says %q, without %q", c.args, got.failed, want)
			}
		}
	}
}

func TestTokenGoesWithEveryRequest(t *testing.T) {
	s := server(t, map[string]http.HandlerFunc{"GET /streams": func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			problem(401, "no token")(w, r)
			return
		}
		pages[api.Stream]()(w, r)
	}})
	t.Setenv("ROLLCALL_TOKEN", "s3cret")
	t.Setenv("ROLLCALL_SERVER", s.URL)
	if got := runWith(t, Env{}, "", "streams"); got.code != Good {
		t.Errorf("exit code %d: %s", got.code, got.failed)
	}
}

func TestCloseSendsWhenAndWhy(t *testing.T) {
	var got api.CloseRequest
	s := server(t, map[string]http.HandlerFunc{"POST /streams/orders/lanes/close": func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&got)
		w.WriteHeader(http.StatusNoContent)
	}})
	out := run(t, s, "close", "lane", "orders", "agent", "orders/3", "--at", "2026-11-22T05:09:00Z", "--why", "topic was cut")
	if out.code != Good {
		t.Fatalf("exit code %d: %s", out.code, out.failed)
	}
	want := api.CloseRequest{At: minute, Why: "topic was cut", Hop: "agent", Lane: "orders/3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDemoThatMissedANameIsABadAnswer(t *testing.T) {
	env := Env{Demo: func(context.Context, Demo) error { return fmt.Errorf("1 missed: %w", ErrBad) }}
	if got := runWith(t, env, "", "demo", "--rounds", "1"); got.code != Bad || !strings.Contains(got.failed, "1 missed") {
		t.Errorf("exit code %d, %q", got.code, got.failed)
	}
	env.Demo = func(context.Context, Demo) error { return fmt.Errorf("%w: --faults lots", ErrWrongUse) }
	if got := runWith(t, env, "", "demo", "--faults", "lots"); got.code != WrongUse {
		t.Errorf("exit code %d", got.code)
	}
	env.Demo = func(context.Context, Demo) error { return errors.New("no flights") }
	if got := runWith(t, env, "", "demo"); got.code != CannotAsk {
		t.Errorf("exit code %d", got.code)
	}
}
