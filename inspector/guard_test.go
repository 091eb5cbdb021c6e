package inspector

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/access"
	"github.com/rollcallhq/rollcall/internal/store"
)

// doors is a fixture whose callers need tokens, one for each role and two that are no longer good.
type doors struct {
	*fixture
	path   string            // of the file of tokens
	tokens map[string]string // name → token
}

func newDoors(t *testing.T, change ...func(*Deps, *Config)) *doors {
	t.Helper()
	d := &doors{path: filepath.Join(t.TempDir(), "tokens"), tokens: map[string]string{}}
	for _, role := range access.Roles() {
		d.create(t, string(role), role, time.Time{})
	}
	d.create(t, "expired", access.Admin, testNow)
	d.create(t, "revoked", access.Admin, time.Time{})
	d.revoke(t, "revoked")
	metrics, err := access.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := access.OpenTokens(d.path, metrics, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tokens.Stop(context.Background()) })
	d.fixture = newFixture(t, append(change, func(deps *Deps, _ *Config) {
		deps.Access = tokens
		deps.Pages = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "page") })
		deps.Reports = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"accepted":1}`) })
		deps.Samples = deps.Reports
	})...)
	return d
}

func (d *doors) create(t *testing.T, name string, role access.Role, expires time.Time) {
	t.Helper()
	one, text, err := access.NewToken(name, role, expires, testNow.Add(-time.Hour))
	if err == nil {
		err = access.Change(d.path, func(f *access.File) (bool, error) { return true, f.Add(one) })
	}
	if err != nil {
		t.Fatal(err)
	}
	d.tokens[name] = text
}

func (d *doors) revoke(t *testing.T, name string) {
	t.Helper()
	err := access.Change(d.path, func(f *access.File) (bool, error) {
		_, changed, err := f.Revoke(name, testNow)
		return changed, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// with asks with the token of a name; an empty name shows none.
func (d *doors) with(name, method, path, body string, header ...string) *httptest.ResponseRecorder {
	d.t.Helper()
	if name != "" {
		header = append(header, "Authorization", "Bearer "+d.tokens[name])
	}
	return d.ask(method, path, body, header...)
}

// filled puts values in the place of a route's parameters.
func filled(route string) string {
	return strings.NewReplacer(":stream", "orders", ":start", "2026-11-22T05:09:00Z", ":hour", "2026-11-22T05", ":uid", "order-1",
		":id", "0199f09c-1d2e-4abc-9def-012300000001").Replace(route)
}

// who of these may make a call that asks for a role. Written out, and not taken from package access.
var mayCall = map[access.Role][]string{
	access.Open:     {"", "ingest", "viewer", "operator", "admin", "expired", "revoked"},
	access.Known:    {"ingest", "viewer", "operator", "admin"},
	access.Ingest:   {"ingest", "operator", "admin"},
	access.Viewer:   {"viewer", "operator", "admin"},
	access.Operator: {"operator", "admin"},
	access.Admin:    {"admin"},
}

func TestEveryRouteIsForThoseThatTheTableSays(t *testing.T) {
	type asked struct {
		method, path string
		least        access.Role
	}
	d := newDoors(t)
	left, all := maps.Clone(rules), []asked{}
	for _, r := range d.engine.Routes() {
		route := r.Method + " " + r.Path
		least, listed := rules[route]
		if !listed || mayCall[least] == nil {
			t.Errorf("%s is not in the table of rules, or asks for the unknown role %q", route, least)
		}
		delete(left, route)
		all = append(all, asked{r.Method, filled(r.Path), least})
	}
	if len(left) > 0 {
		t.Errorf("the table has rules for what is no route: %v", left)
	}
	all = append(all,
		asked{"GET", "/", access.Open}, asked{"GET", "/w/orders/2026-11-22T05:09:00Z", access.Open}, asked{"POST", "/hours", access.Open},
		asked{"GET", "/api/v1/nothing", access.Known}, asked{"DELETE", "/api/v1/streams", access.Known}, asked{"GET", "/api", access.Known},
		asked{"POST", "/api/v1/reports?backfill=true", access.Operator}, asked{"POST", "/api/v1/reports?backfill=1", access.Operator},
		asked{"POST", "/api/v1/reports?backfill=false&backfill=true", access.Operator}, asked{"POST", "/api/v1/reports?backfill=maybe", access.Operator},
		asked{"POST", "/api/v1/reports?backfill=false", access.Ingest})
	for _, a := range all {
		for _, name := range []string{"", "ingest", "viewer", "operator", "admin", "expired", "revoked"} {
			d.failures = access.NewFailures()
			t.Run(a.method+" "+a.path+" "+name, func(t *testing.T) { checkDoor(t, d, a.method, a.path, a.least, name) })
		}
	}
}

func checkDoor(t *testing.T, d *doors, method, path string, least access.Role, name string) {
	w := d.with(name, method, path, "{}")
	challenge := w.Header().Get("WWW-Authenticate")
	switch {
	case slices.Contains(mayCall[least], name):
		if w.Code == http.StatusUnauthorized || w.Code == http.StatusForbidden || w.Code == http.StatusTooManyRequests || challenge != "" {
			t.Errorf("refused: %d %s", w.Code, w.Body)
		}
	case name == "" || name == "expired" || name == "revoked":
		says := map[string]string{"": "needs a token", "expired": "the token has expired", "revoked": "the token was revoked"}[name]
		wantProblem(t, w, http.StatusUnauthorized, says)
		if !strings.HasPrefix(challenge, `Bearer realm="rollcall"`) || strings.Contains(challenge, "error") == (name == "") {
			t.Errorf("challenge %q", challenge)
		}
	default:
		wantProblem(t, w, http.StatusForbidden, fmt.Sprintf("needs the role %s; the token has the role %s", least, name))
		if !strings.Contains(challenge, `error="insufficient_scope"`) {
			t.Errorf("challenge %q", challenge)
		}
	}
}

func TestARouteWithoutARuleIsNobodys(t *testing.T) {
	d := newDoors(t)
	delete(rules, "GET /api/v1/hours")
	t.Cleanup(func() { rules["GET /api/v1/hours"] = access.Viewer })
	wantProblem(t, d.with("admin", "GET", "/api/v1/hours", ""), http.StatusForbidden, "no role may make this call")
	wantProblem(t, newFixture(t).ask("GET", "/api/v1/hours", ""), http.StatusForbidden, "no role may make this call")
}

func TestARefusedRequestChangesNothing(t *testing.T) {
	d := newDoors(t)
	for _, name := range []string{"", "ingest", "viewer", "expired", "revoked"} {
		d.with(name, "PUT", "/api/v1/streams/orders", `{"owner":"growth"}`)
	}
	if len(d.store.settings) != 0 {
		t.Error("the settings were changed")
	}
}

func TestWhoIsTheNameOfTheToken(t *testing.T) {
	for _, name := range []string{"operator", access.Local} {
		t.Run(name, func(t *testing.T) {
			d := newDoors(t)
			if name == access.Local {
				d.Access = nil
			}
			w := d.with(name, "POST", "/api/v1/streams/orders/lanes/close", `{"at":"2026-11-22T05:00:00Z","why":"gone","hop":"agent","lane":"orders/0"}`)
			var closing api.Closing
			if err := json.Unmarshal(w.Body.Bytes(), &closing); err != nil || closing.Who != name || d.store.closings[0].Who != name {
				t.Errorf("%v %+v, stored %+v", err, closing, d.store.closings)
			}
			if w := d.with(name, "PUT", "/api/v1/streams/orders", `{"owner":"growth"}`); w.Code != 200 || d.store.settings["orders"].Who != name {
				t.Errorf("%d, settings of %q", w.Code, d.store.settings["orders"].Who)
			}
			info := d.auditor.infos["orders"]
			info.Settings = d.store.settings["orders"]
			d.auditor.infos["orders"] = info
			if s := d.with(name, "GET", "/api/v1/streams/orders", "").Body.String(); !strings.Contains(s, `"settingsBy":"`+name+`"`) {
				t.Error(s)
			}
		})
	}
}

func TestWhoAcknowledgesOrSilencesIsTheNameOfTheToken(t *testing.T) {
	d := newDoors(t)
	d.store.incidents = []store.Incident{lossAt(1, 0, 1)}
	incident := "/api/v1/incidents/" + d.store.incidents[0].ID.String()
	if w := d.with("operator", "POST", incident+"/ack", "{}"); w.Code != http.StatusOK || d.store.acks[0].Who != "operator" {
		t.Fatalf("%d %s, stored %+v", w.Code, w.Body, d.store.acks)
	}
	w := d.with("operator", "POST", "/api/v1/silences", `{"end":"2199-11-22T05:00:00Z","start":"2199-11-22T04:00:00Z","reason":"drill"}`)
	var made api.Silence
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || made.Author != "operator" {
		t.Fatalf("%v %d %s", err, w.Code, w.Body)
	}
	w = d.with("admin", "DELETE", "/api/v1/silences/"+made.ID, "")
	var ended api.Silence
	if err := json.Unmarshal(w.Body.Bytes(), &ended); err != nil || ended.Author != "operator" || ended.EndedBy != "admin" {
		t.Fatalf("%v %d %s", err, w.Code, w.Body)
	}
}

func TestTooManyWrongTokensOfAnAddressAreTurnedAway(t *testing.T) {
	d := newDoors(t)
	now := testNow
	d.Now = func() time.Time { return now }
	for range 100 { // as a page asks before its reader has given a token
		wantProblem(t, d.with("", "GET", "/api/v1/streams", ""), http.StatusUnauthorized, "needs a token")
	}
	wrong := func() *httptest.ResponseRecorder {
		return d.ask("GET", "/api/v1/streams", "", "Authorization", "Bearer x")
	}
	for range 20 {
		wantProblem(t, wrong(), http.StatusUnauthorized, "not known")
	}
	w := wrong()
	wantProblem(t, w, http.StatusTooManyRequests, "too many")
	if w.Header().Get("Retry-After") != "3" {
		t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
	}
	wantProblem(t, d.with("", "PUT", "/api/v1/streams/orders", "{}"), http.StatusTooManyRequests, "too many")
	wantProblem(t, d.with("revoked", "GET", "/api/v1/streams", ""), http.StatusTooManyRequests, "the token was revoked")
	if w := d.with("viewer", "GET", "/api/v1/streams", ""); w.Code != http.StatusOK {
		t.Errorf("a good token from the same address: %d", w.Code)
	}
	now = now.Add(3 * time.Second)
	wantProblem(t, wrong(), http.StatusUnauthorized, "not known")
	for reason, want := range map[string]float64{"missing": 100, "unknown": 21, "too_many": 3} {
		if got := counted(t, d.metrics.refused.WithLabelValues(reason)); got != want {
			t.Errorf("%v refused as %s; want %v", got, reason, want)
		}
	}
}

func TestALiveStreamEndsWithItsToken(t *testing.T) {
	changes := newFeed()
	d := newDoors(t, func(deps *Deps, _ *Config) { deps.Feed = changes })
	server := httptest.NewServer(d.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = d.Stop(context.Background()) })
	<-changes.subscribed
	r := listen(t, server.URL, "", "Authorization", "Bearer "+d.tokens["viewer"])
	r.want("snapshot")
	d.revoke(t, "viewer")
	revoked := time.Now()
	if e, ok := r.next(); ok {
		t.Errorf("the stream went on with %s", e.Type)
	}
	if took := time.Since(revoked); took > time.Second {
		t.Errorf("it ended only after %s", took)
	}
}

// secure are the headers of every answer.
var secure = map[string]*regexp.Regexp{
	"X-Content-Type-Options":       regexp.MustCompile(`^nosniff$`),
	"Referrer-Policy":              regexp.MustCompile(`^no-referrer$`),
	"Content-Security-Policy":      regexp.MustCompile(`default-src 'none'.*frame-ancestors 'none'`),
	"Cross-Origin-Opener-Policy":   regexp.MustCompile(`^same-origin$`),
	"Cross-Origin-Resource-Policy": regexp.MustCompile(`^same-origin$`),
	"Cache-Control":                regexp.MustCompile(`^no-store$`),
	"X-Request-Id":                 regexp.MustCompile(`^[A-Z2-7]{16}$`),
}

func TestEveryAnswerHasTheHeadersThatProtectABrowser(t *testing.T) {
	d := newDoors(t)
	plain, secured := httptest.NewServer(d.Handler()), httptest.NewTLSServer(d.Handler())
	t.Cleanup(plain.Close)
	t.Cleanup(secured.Close)
	type asked struct{ method, path string }
	all := []asked{{"GET", "/"}, {"GET", "/api/none"}, {"DELETE", "/api/v1/streams"}, {"POST", "/hours"}}
	for _, r := range d.engine.Routes() {
		all = append(all, asked{r.Method, filled(r.Path)})
	}
	for _, a := range all {
		for _, token := range []string{"", d.tokens["admin"]} {
			for _, server := range []*httptest.Server{plain, secured} {
				h := headersOf(t, server, a.method, a.path, token)
				for name, form := range secure {
					if !form.MatchString(h.Get(name)) {
						t.Errorf("%s %s%s: %s is %q", a.method, server.URL, a.path, name, h.Get(name))
					}
				}
				if hsts := h.Get("Strict-Transport-Security"); (hsts == "max-age=31536000; includeSubDomains") != (server == secured) || (hsts == "") != (server == plain) {
					t.Errorf("%s %s%s: Strict-Transport-Security %q", a.method, server.URL, a.path, hsts)
				}
			}
		}
	}
}

func headersOf(t *testing.T, server *httptest.Server, method, path, token string) http.Header {
	t.Helper()
	r, err := http.NewRequest(method, server.URL+path, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close() // the live stream goes on for as long as it is read
	return answer.Header
}
