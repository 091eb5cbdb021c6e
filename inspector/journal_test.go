package inspector

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
)

// logging returns doors that log into a buffer.
func logging(t *testing.T) (*doors, *bytes.Buffer) {
	var log bytes.Buffer
	return newDoors(t, func(d *Deps, _ *Config) {
		d.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}), &log
}

// lines takes what was logged, without the time of each line.
func lines(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for text := range strings.Lines(log.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		if line["time"] == nil {
			t.Errorf("no time in %q", text)
		}
		delete(line, "time")
		all = append(all, line)
	}
	log.Reset()
	return all
}

func TestEveryChangeIsLoggedWithWhoMadeItAndWhatCameOfIt(t *testing.T) {
	d, log := logging(t)
	const put, closing = "/api/v1/streams/:stream", "/api/v1/streams/:stream/lanes/close"
	for _, c := range []struct {
		name, method, path, body   string
		level, who, role, route    string
		status                     float64
		stream, refused, requestID string
	}{
		{"operator", "PUT", "/api/v1/streams/orders", `{}`, "INFO", "operator", "operator", put, 200, "orders", "", "r-1"},
		{"admin", "PUT", "/api/v1/streams/orders", `{"x":1}`, "INFO", "admin", "admin", put, 400, "orders", "", "r-2"},
		{"operator", "POST", "/api/v1/streams/orders/lanes/close", `{"at":"2026-11-22T05:00:00Z","why":"x","hop":"agent","lane":"l"}`, "INFO", "operator", "operator", closing, 200, "orders", "", "r-3"},
		{"operator", "POST", "/api/v1/reports?backfill=true", `{}`, "INFO", "operator", "operator", reportsRoute, 200, "", "", "r-4"},
		{"ingest", "POST", "/api/v1/reports", `{}`, "DEBUG", "ingest", "ingest", reportsRoute, 200, "", "", "r-5"},
		{"ingest", "POST", "/api/v1/samples", `{}`, "DEBUG", "ingest", "ingest", samplesRoute, 200, "", "", "r-5"},
		{"viewer", "PUT", "/api/v1/streams/orders", `{}`, "WARN", "viewer", "viewer", put, 403, "orders", "role", "r-6"},
		{"ingest", "GET", "/api/v1/streams", ``, "WARN", "ingest", "ingest", "/api/v1/streams", 403, "", "role", "r-7"},
		{"revoked", "GET", "/api/v1/streams", ``, "WARN", "revoked", "none", "/api/v1/streams", 401, "", "revoked", "r-8"},
		{"expired", "PUT", "/api/v1/streams/orders", `{}`, "WARN", "expired", "none", put, 401, "orders", "expired", "r-9"},
		{"", "PUT", "/api/v1/streams/orders", `{}`, "WARN", "", "none", put, 401, "orders", "missing", "r-10"},
		{"admin", "POST", "/api/v1/nothing", `{}`, "", "", "", "", 0, "", "", "r-11"},
		{"viewer", "GET", "/api/v1/streams", ``, "", "", "", "", 0, "", "", "r-12"},
		{"", "GET", "/api/v1/streams", ``, "", "", "", "", 0, "", "", "r-13"},
	} {
		w := d.with(c.name, c.method, c.path, c.body, "X-Request-Id", c.requestID)
		if w.Header().Get("X-Request-Id") != c.requestID {
			t.Errorf("the request %s is answered as %s", c.requestID, w.Header().Get("X-Request-Id"))
		}
		want := []map[string]any{{"level": c.level, "msg": "access", "who": c.who, "role": c.role, "method": c.method, "route": c.route,
			"stream": c.stream, "status": c.status, "remote": "192.0.2.1:1234", "request": c.requestID}}
		if c.refused != "" {
			want[0]["refused"] = c.refused
		}
		if c.level == "" {
			want = nil
		}
		if diff := cmp.Diff(want, lines(t, log)); diff != "" {
			t.Errorf("%s %s as %q (-want +got): %s", c.method, c.path, c.name, diff)
		}
	}
}

func TestAChangeThatAnotherSiteAskedForIsLogged(t *testing.T) {
	d, log := logging(t)
	d.with("operator", "PUT", "/api/v1/streams/orders", "{}", "Sec-Fetch-Site", "cross-site")
	if got := lines(t, log); len(got) != 1 || got[0]["refused"] != "other_site" || got[0]["level"] != "WARN" {
		t.Errorf("%v", got)
	}
}

func TestWhatAClientWritesCannotForgeALogLine(t *testing.T) {
	d, log := logging(t)
	hostile := "x\"\n{\"msg\":\"access\",\"who\":\"admin\"}\r\n\x1b[31m\u202e" + strings.Repeat("y", 10_000)
	d.with("operator", "PUT", "/api/v1/streams/"+url.PathEscape(hostile), "{}", "X-Request-Id", "a b\" who=admin")
	got := lines(t, log)
	if len(got) != 1 || got[0]["who"] != "operator" {
		t.Fatalf("%v", got)
	}
	stream, _ := got[0]["stream"].(string)
	if len(stream) > maxName || strings.ContainsAny(stream, "\n\r\x1b\u202e") {
		t.Errorf("stream %q", stream)
	}
	if id, _ := got[0]["request"].(string); !secure["X-Request-Id"].MatchString(id) {
		t.Errorf("request %q", id)
	}
	r := httptest.NewRequest("PUT", "/api/v1/streams/orders", nil)
	r.Method = "BREW"
	d.Handler().ServeHTTP(httptest.NewRecorder(), r)
	if got := lines(t, log); len(got) != 1 || got[0]["method"] != "other" {
		t.Errorf("%v", got)
	}
}

func TestOneWhoFailsTooOftenDoesNotFillTheLog(t *testing.T) {
	d, log := logging(t)
	for range 1000 {
		d.ask("PUT", "/api/v1/streams/orders", "{}", "Authorization", "Bearer x")
	}
	if got := lines(t, log); len(got) != 20 {
		t.Errorf("%d lines", len(got))
	}
}

func TestATokenIsInNoAnswerLogOrMetric(t *testing.T) {
	d, log := logging(t)
	d.Reports = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("the reports handler fell over") })
	answers := ""
	for name, token := range d.tokens {
		for _, path := range []string{"/api/v1/streams", "/api/v1/nothing", "/api/v1/reports", "/metrics"} {
			for _, header := range []string{"Bearer " + token, "Bearer " + token + "x", "Basic " + token, token} {
				w := d.ask("POST", path, token, "Authorization", header)
				answers += w.Body.String() + w.Header().Get("WWW-Authenticate")
				answers += d.with(name, "GET", path, "").Body.String()
			}
		}
	}
	answers += d.with("admin", "GET", "/metrics", "").Body.String() + log.String()
	if !strings.Contains(answers, "rollcall_access_requests_total") || !strings.Contains(answers, "fell over") {
		t.Fatal("neither metrics nor the log of a panic were looked at")
	}
	for name, token := range d.tokens {
		if secret := token[len(token)-26:]; strings.Contains(answers, secret) {
			t.Errorf("the token of %s is told", name)
		}
	}
}

func TestRequestsAreCountedByRoleAndStatus(t *testing.T) {
	d := newDoors(t)
	for _, name := range []string{"", "ingest", "viewer", "operator", "admin", "expired", "revoked"} {
		d.with(name, "GET", "/api/v1/streams", "")
		d.with(name, "GET", "/healthz", "")
	}
	local := newFixture(t)
	local.ask("GET", "/api/v1/streams", "")
	for _, c := range []struct {
		of         *fixture
		role, code string
		want       float64
	}{
		{d.fixture, "none", "401", 3}, {d.fixture, "none", "200", 7}, {d.fixture, "ingest", "403", 1},
		{d.fixture, "viewer", "200", 1}, {d.fixture, "operator", "200", 1}, {d.fixture, "admin", "200", 1}, {local, "local", "200", 1},
	} {
		var m dto.Metric
		if err := c.of.metrics.visits.WithLabelValues(c.role, c.code).Write(&m); err != nil || m.GetCounter().GetValue() != c.want {
			t.Errorf("%v requests as %s with %s; want %v", m.GetCounter().GetValue(), c.role, c.code, c.want)
		}
	}
}
