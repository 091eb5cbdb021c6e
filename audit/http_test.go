package audit

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
)

// intake is the server's HTTP side: it stores what comes into srv, and the bodies as
// they came. answer, where set, may take over the answer to attempt n, from 1.
type intake struct {
	*server
	mu     sync.Mutex
	bodies [][]byte
	answer func(n int, w http.ResponseWriter) bool
	url    string
}

func newIntake(t *testing.T) *intake {
	in := &intake{server: newServer()}
	ts := httptest.NewServer(in)
	t.Cleanup(ts.Close)
	in.url = ts.URL
	return in
}

func (in *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(z)
	if err != nil || r.URL.Path != "/api/v1/reports" || r.Header.Get("Authorization") != "Bearer secret" {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.bodies = append(in.bodies, body)
	if in.answer != nil && in.answer(len(in.bodies), w) {
		return
	}
	b, err := wire.DecodeProto(body, wire.DefaultLimits())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := in.server.Send(r.Context(), b); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, `{"accepted":%d}`, len(b.Reports))
}

func (in *intake) transport(t *testing.T) *HTTPTransport {
	t.Helper()
	tr, err := NewHTTPTransport(HTTPConfig{URL: in.url, Token: "secret", Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestReportOfUnknownFateIsSentAgainUnchanged: the server stores the report and the
// answer is lost; events come meanwhile; the same bytes come again, and the events
// in the number after.
func TestReportOfUnknownFateIsSentAgainUnchanged(t *testing.T) {
	in := newIntake(t)
	in.answer = func(n int, w http.ResponseWriter) bool {
		if n > 2 {
			return false
		}
		b, err := wire.DecodeProto(in.bodies[n-1], wire.DefaultLimits())
		if err == nil {
			err = in.server.Send(t.Context(), b)
		}
		if err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler) // stored, and the connection breaks
	}
	h := mustHop(t, HopConfig{Transport: in.transport(t)})
	id, now := newID(time.Now()), time.Now()
	for i := range uint32(3) {
		h.Observe(event(id, i, now), 7, 1, now)
		if err := h.cycle(t.Context()); (err == nil) != (i == 2) {
			t.Fatalf("beat %d: %v", i, err)
		}
	}
	if len(in.bodies) != 4 || !bytes.Equal(in.bodies[0], in.bodies[1]) || !bytes.Equal(in.bodies[0], in.bodies[2]) {
		t.Fatalf("%d bodies; the first three must be the same bytes", len(in.bodies))
	}
	in.check(t)
	if seen := in.rolls(wire.Seen)[id]; seen.GetCardinality() != 3 {
		t.Fatalf("seen %v", seen)
	}
}

func TestRefusalIsToldWithItsPathsAndLosesNothing(t *testing.T) {
	in := newIntake(t)
	in.answer = func(n int, w http.ResponseWriter) bool {
		if n > 1 {
			return false
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"title":"Bad Request","status":400,"detail":"2 faults","errors":[{"path":"reports[0].hop","message":"the name is odd"}]}`)
		return true
	}
	var told []error
	h := mustHop(t, HopConfig{Transport: in.transport(t), OnError: func(err error) { told = append(told, err) }})
	now := time.Now()
	h.Observe(event(newID(now), 1, now), 7, 1, now)
	if err := h.cycle(t.Context()); !sendError(err).Permanent {
		t.Fatalf("a 400 is %v", err)
	}
	var problem *ProblemError
	if len(told) != 1 || !errors.As(told[0], &problem) || problem.Status != 400 || !strings.Contains(problem.Detail, "reports[0].hop: the name is odd") {
		t.Fatalf("told %v", told)
	}
	if err := h.cycle(t.Context()); err != nil {
		t.Fatal(err)
	}
	in.check(t)
	if s := h.Stats(); s.Refused != 1 || s.Accepted != 2 || s.Waiting != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestAnswersAreReadAsTheyAreMeant(t *testing.T) {
	for _, c := range []struct {
		name      string
		status    int
		retry     string
		body      string
		permanent bool
		after     time.Duration
	}{
		{"busy", 429, "7", "", false, 7 * time.Second},
		{"away", 503, "2", "", false, 2 * time.Second},
		{"away for a week", 503, "604800", "", false, maxRetryAfter},
		{"nonsense", 503, "soon", "", false, 0},
		{"broken", 500, "", "", false, 0},
		{"no token", 401, "", "", true, 0},
		{"too large", 413, "", "", true, 0},
		{"a page of a proxy", 200, "", "<html>welcome", false, 0},
		{"too few", 200, "", `{"accepted":0}`, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := newIntake(t)
			in.answer = func(_ int, w http.ResponseWriter) bool {
				if c.retry != "" {
					w.Header().Set("Retry-After", c.retry)
				}
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
				return true
			}
			err := in.transport(t).Send(context.Background(), wire.Batch{Reports: make([]wire.Report, 1)})
			var got *SendError
			if !errors.As(err, &got) || got.Permanent != c.permanent || got.RetryAfter != c.after {
				t.Fatalf("%+v", err)
			}
		})
	}
}

func TestServerURLsThatAreNoneAreNamed(t *testing.T) {
	for _, u := range []string{"", "localhost:8080", "ftp://x", "http://", "http://[", "/api"} {
		if _, err := NewHTTPTransport(HTTPConfig{URL: u}); err == nil {
			t.Errorf("%q: taken", u)
		}
	}
}

func TestATokenFileIsReadAnewAndTheServersCertificateIsHeldAgainstTheCAFile(t *testing.T) {
	token, ca := filepath.Join(t.TempDir(), "token"), filepath.Join(t.TempDir(), "ca.pem")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := &intake{server: newServer(), answer: func(_ int, w http.ResponseWriter) bool {
		fmt.Fprint(w, `{"accepted":0}`)
		return true
	}}
	ts := httptest.NewTLSServer(in)
	t.Cleanup(ts.Close)
	ts.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	write(ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ts.Certificate().Raw})))
	cfg := HTTPConfig{URL: ts.URL, TokenFile: token, CAFile: ca}
	tr, err := NewHTTPTransport(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.client.CloseIdleConnections)
	send := func(tr *HTTPTransport) *SendError {
		var known *SendError
		if err := tr.Send(t.Context(), wire.Batch{}); err != nil && !errors.As(err, &known) {
			t.Fatalf("%T", err)
		}
		return known
	}
	if err := send(tr); err == nil || err.Permanent || !strings.Contains(err.Error(), "read the token") {
		t.Errorf("without the file: %v", err)
	}
	write(token, "old\n")
	if err := send(tr); err == nil || !err.Permanent {
		t.Errorf("a wrong token: %v", err)
	}
	write(token, "secret\n")
	if err := send(tr); err != nil {
		t.Errorf("the token after it was replaced: %v", err)
	}
	cfg.CAFile = ""
	system, err := NewHTTPTransport(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := send(system); err == nil || err.Permanent || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that the system does not trust: %v", err)
	}
	for says, bad := range map[string]HTTPConfig{
		"no such file": {URL: ts.URL, CAFile: ca + "none"}, "holds no certificate": {URL: ts.URL, CAFile: token},
		"CAFile and Client": {URL: ts.URL, CAFile: ca, Client: ts.Client()}, "Token and TokenFile": {URL: ts.URL, Token: "x", TokenFile: token},
	} {
		if _, err := NewHTTPTransport(bad); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, without %q", err, says)
		}
	}
}
