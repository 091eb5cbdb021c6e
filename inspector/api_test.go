package inspector

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/latency"
	"github.com/rollcallhq/rollcall/internal/store"
)

func TestWrongRequestsAreToldWhatIsWrong(t *testing.T) {
	f, long := newFixture(t), strings.Repeat("x", maxBody)
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"unknown stream", "GET", "/streams/nope", "", 404, `no stream "nope"`},
		{"name with a quote", "GET", "/streams/a%27b", "", 400, "is not a name"},
		{"name with an escaped slash", "GET", "/streams/a%2Fb", "", 400, "is not a name"},
		{"unknown call", "GET", "/nothing", "", 404, "/openapi.yaml lists them"},
		{"later work is not there", "GET", "/graph", "", 404, "/openapi.yaml"},
		{"wrong method", "DELETE", "/streams", "", 405, "possible: GET"},
		{"unknown parameter", "GET", "/streams/orders/windows?form=x", "", 400, "query.form: unknown parameter; this call has from, to, limit, cursor, edge"},
		{"parameter where there is none", "GET", "/status?x=1", "", 400, "this call has none"},
		{"parameter twice", "GET", "/streams/orders/windows?edge=a..b&edge=b..c", "", 400, "given 2 times"},
		{"limit zero", "GET", "/streams?limit=0", "", 400, "from 1 to 1000"},
		{"limit negative", "GET", "/streams?limit=-5", "", 400, "from 1 to 1000"},
		{"limit too large", "GET", "/streams?limit=1000000000000", "", 400, "from 1 to 1000"},
		{"cursor of nobody", "GET", "/streams?cursor=%C3%A4", "", 400, "not a cursor"},
		{"cursor of random bytes", "GET", "/streams/orders/windows/2026-11-22T05:09:00Z/uids?edge=app..agent&cursor=xx", "", 400, "not a cursor"},
		{"cursor of another list", "GET", "/streams/orders/windows?cursor=eHk", "", 400, "not a cursor of this list"},
		{"from that is no time", "GET", "/streams/orders/windows?from=yesterday", "", 400, "RFC 3339"},
		{"plus sign in a query", "GET", "/streams/orders/windows?from=2026-11-22T05:09:00+01:00", "", 400, "%2B"},
		{"from after to", "GET", "/streams/orders/windows?from=2026-11-22T05:10:00Z&to=2026-11-22T05:10:00Z", "", 400, "is not before"},
		{"range too long", "GET", "/streams/orders/windows?from=2026-01-01T00:00:00Z", "", 400, "at most 744h"},
		{"edge without dots", "GET", "/streams/orders/windows?edge=app", "", 400, "as app..agent"},
		{"edge to itself", "GET", "/streams/orders/windows?edge=app..app", "", 400, "to itself"},
		{"window not aligned", "GET", "/streams/orders/windows/2026-11-22T05:09:30Z", "", 400, "the one around it starts at 2026-11-22T05:09:00Z"},
		{"window in 2300", "GET", "/streams/orders/windows/2300-11-22T05:09:00Z", "", 400, "year 2300"},
		{"window that is not there", "GET", "/streams/orders/windows/2026-11-22T04:09:00Z?edge=app..agent", "", 404, "no window at 2026-11-22T04:09:00Z on edge app..agent"},
		{"window in the future", "GET", "/streams/orders/windows/2026-11-22T06:09:00Z", "", 404, "lies in the future"},
		{"window with two edges", "GET", "/streams/orders/windows/2026-11-22T05:09:00Z", "", 400, "name one of agent..sink, app..agent"},
		{"unknown kind", "GET", "/streams/orders/windows/2026-11-22T05:09:00Z/uids?edge=app..agent&kind=gone", "", 400, "is not one of lost"},
		{"uids of an unknown edge", "GET", "/streams/orders/windows/2026-11-22T05:09:00Z/uids?edge=app..sink", "", 404, "no window"},
		{"evidence of no window", "GET", "/streams/orders/windows/2026-11-22T01:00:00Z/evidence", "", 404, "no window"},
		{"a month of latency", "GET", "/streams/orders/latency?from=2026-11-01T00:00:00Z", "", 400, "at most 168h"},
		{"latency of no edge", "GET", "/streams/orders/latency?edge=app", "", 400, "as app..agent"},
		{"latency with a cursor of another list", "GET", "/streams/orders/latency?cursor=eHk", "", 400, "not a cursor of this list"},
		{"latency of an unknown stream", "GET", "/streams/nope/latency", "", 404, `no stream "nope"`},
		{"unknown hop", "GET", "/streams/orders/watermark?hop=nowhere", "", 400, `leads to a hop "nowhere"; its edges are app..agent, agent..sink`},
		{"first hop", "GET", "/streams/orders/watermark?hop=app", "", 400, `leads to a hop "app"`},
		{"hour of the wrong form", "GET", "/streams/orders/hours/2026-11-22", "", 400, "as 2026-11-22T05"},
		{"hour in the future", "GET", "/streams/orders/hours/2026-11-22T06", "", 404, "future"},
		{"hour without windows", "GET", "/streams/orders/hours/2026-11-20T06", "", 404, "no window in hour"},
		{"unknown UID", "GET", "/uids/order-1", "", 404, "no hop has reported order-1"},
		{"settings that are no JSON", "PUT", "/streams/orders", "{", 400, "ends too early"},
		{"settings with an unknown key", "PUT", "/streams/orders", `{"windowSecond":10}`, 400, "body.windowSecond: unknown key"},
		{"settings with a key twice", "PUT", "/streams/orders", `{"owner":"a","hops":{"x":{"rewrites":true,"Rewrites":false}}}`, 400, "body.hops.x.Rewrites: given twice"},
		{"settings with an unknown key inside", "PUT", "/streams/orders", `{"certify":{"forbid":[]}}`, 400, "body.certify.forbid: unknown key"},
		{"settings with a key in another case", "PUT", "/streams/orders", `{"Owner":"a"}`, 400, "body.Owner: unknown key"},
		{"settings that are null", "PUT", "/streams/orders", ` null`, 400, "body: found null, expected an object"},
		{"a policy that allows nothing known", "PUT", "/streams/orders", `{"certify":{"allow":["gone"]}}`, 400, "not one of lost, corrupt, rejected, duplicated, unplaced"},
		{"settings that are a list", "PUT", "/streams/orders", `[{"owner":"a"}]`, 400, "body: found array, expected an object"},
		{"settings of the wrong type", "PUT", "/streams/orders", `{"graceSeconds":"x"}`, 400, "body.graceSeconds: found string, expected a whole number"},
		{"a negative setting", "PUT", "/streams/orders", `{"graceSeconds":-1}`, 400, "body.graceSeconds"},
		{"settings nested without end", "PUT", "/streams/orders", strings.Repeat("[", 200_000), 400, "body"},
		{"two bodies", "PUT", "/streams/orders", `{}{}`, 400, "more than one"},
		{"no body", "PUT", "/streams/orders", "", 400, "required"},
		{"too large a body", "PUT", "/streams/orders", `{"owner":"` + long + `"}`, 413, ""},
		{"a window of 7 s", "PUT", "/streams/orders", `{"windowSeconds":7}`, 400, "10, 60, 300, 600, 3600"},
		{"edges on a cycle", "PUT", "/streams/orders", `{"edges":["a..b","b..c","c..b"]}`, 400, "comes after itself"},
		{"an edge twice", "PUT", "/streams/orders", `{"edges":["a..b","a..b"]}`, 400, "body.edges[1]: a..b is given twice"},
		{"a change in the middle of an hour", "PUT", "/streams/orders", `{"windowSeconds":10,"windowFrom":"2026-11-23T05:30:00Z"}`, 400, "start of an hour"},
		{"a change in the past", "PUT", "/streams/orders", `{"windowSeconds":10,"windowFrom":"2026-11-22T05:00:00Z"}`, 400, "too early"},
		{"a share above one", "PUT", "/streams/orders", `{"objectives":{"completeness":1.5}}`, 400, "from 0 to 1"},
		{"closing without why", "POST", "/streams/orders/emitters/0199f09c-1d2e-4abc-9def-012300000001/close", `{"at":"2026-11-22T05:00:00Z"}`, 400, "body.why"},
		{"closing without at", "POST", "/streams/orders/emitters/0199f09c-1d2e-4abc-9def-012300000001/close", `{"why":"x"}`, 400, "body.at"},
		{"closing an unknown emitter", "POST", "/streams/orders/emitters/0199f09c-1d2e-4abc-9def-012300000001/close", `{"at":"2026-11-22T05:00:00Z","why":"x"}`, 404, "has no emitter"},
		{"closing an emitter that is no UUID", "POST", "/streams/orders/emitters/x/close", `{"at":"2026-11-22T05:00:00Z","why":"x"}`, 400, "not a UUID"},
		{"closing a UID as a source", "POST", "/streams/orders/sources/0199f09c-1d2e-8abc-9def-012300000007/close", `{"at":"2026-11-22T05:00:00Z","why":"x"}`, 400, "0199f09c-1d2e-8abc-9def-012300000000"},
		{"closing a source that no hop reported", "POST", "/streams/orders/sources/0199f09c-1d2e-8abc-9def-012300000000/close", `{"at":"2026-11-22T05:00:00Z","why":"x"}`, 404, "no hop of stream orders has reported an event of source 0199f09c-1d2e-8abc-9def-012300000000"},
		{"closing a lane of a hop that has none", "POST", "/streams/orders/lanes/close", `{"at":"2026-11-22T05:00:00Z","why":"x","hop":"app","lane":"orders/0"}`, 404, "hop app of stream orders has never stated a lane nor how many it has"},
		{"closing a lane of a hop that was never heard of", "POST", "/streams/orders/lanes/close", `{"at":"2026-11-22T05:00:00Z","why":"x","hop":"sink","lane":"orders/0"}`, 404, "hop sink of stream orders has never stated a lane"},
		{"closing a lane of no hop", "POST", "/streams/orders/lanes/close", `{"at":"2026-11-22T05:00:00Z","why":"x","hop":"xx","lane":"orders/0"}`, 404, "it has app, agent, sink"},
		{"closing a lane without its name", "POST", "/streams/orders/lanes/close", `{"at":"2026-11-22T05:00:00Z","why":"x","hop":"app"}`, 400, "which lane"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantProblem(t, f.ask(c.method, "/api/v1"+c.path, c.body, "Content-Type", "application/json"), c.status, c.says)
			if len(f.store.closings)+len(f.store.settings) > 0 {
				t.Error("a request that was refused changed something")
			}
		})
	}
}

func TestAStoreThatIsAwayIsSaidSoOnEveryCall(t *testing.T) {
	f := newFixture(t)
	f.auditor.err = fmt.Errorf("reconcile: read: %w", store.ErrAway)
	f.store.err = store.ErrAway
	for _, path := range []string{
		"/streams", "/streams/orders", "/streams/orders/windows", "/streams/orders/latency", "/hours", "/streams/orders/watermark", "/quarantine",
		"/uids/0199f09c-1d2e-8abc-9def-012300000007", "/stream",
	} {
		w := f.ask("GET", "/api/v1"+path, "")
		wantProblem(t, w, http.StatusServiceUnavailable, "cannot be reached")
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", path)
		}
	}
	wantProblem(t, f.ask("GET", "/readyz", ""), http.StatusServiceUnavailable, "does not answer")
	if s := read[api.Status](f, "/api/v1/status"); s.Store != "away" {
		t.Errorf("status says the store is %q", s.Store)
	}
}

func TestAnUnknownErrorTellsNothingOfTheInside(t *testing.T) {
	f := newFixture(t)
	f.auditor.err = errors.New("table secret_table is broken")
	p := wantProblem(t, f.ask("GET", "/api/v1/streams", ""), http.StatusInternalServerError, "its log says why")
	if strings.Contains(p.Detail, "secret") {
		t.Errorf("the answer tells %q", p.Detail)
	}
	if n := counted(t, f.metrics.failures); n != 1 {
		t.Errorf("%v failures counted", n)
	}
}

func TestAPanicIsAnsweredAndCounted(t *testing.T) {
	f := newFixture(t, func(d *Deps, _ *Config) {
		d.Pages = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret") })
	})
	p := wantProblem(t, f.ask("GET", "/hours", ""), http.StatusInternalServerError, "its log says why")
	if strings.Contains(p.Detail, "secret") || counted(t, f.metrics.panics) != 1 {
		t.Errorf("problem %+v, %v panics counted", p, counted(t, f.metrics.panics))
	}
	read[api.Page[api.Stream]](f, "/api/v1/streams")
}

func TestRequestsOfAnotherSiteChangeNothing(t *testing.T) {
	f := newFixture(t)
	w := f.ask("PUT", "/api/v1/streams/orders", `{}`, "Sec-Fetch-Site", "cross-site")
	wantProblem(t, w, http.StatusForbidden, "another site")
	if len(f.store.settings) != 0 {
		t.Error("the settings were changed")
	}
}

func TestPagesGetWhatIsNotTheAPI(t *testing.T) {
	f := newFixture(t, func(d *Deps, _ *Config) {
		d.Pages = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, "page "+r.URL.Path) })
	})
	if w := f.ask("GET", "/w/orders/x", ""); w.Code != 200 || w.Body.String() != "page /w/orders/x" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantProblem(t, f.ask("POST", "/hours", "x"), http.StatusMethodNotAllowed, "GET, HEAD")
	wantProblem(t, f.ask("GET", "/api/v2/streams", ""), http.StatusNotFound, "no call")
}

func TestARoleWithoutInspectorAnswersOnlyWhatItHas(t *testing.T) {
	f := newFixture(t, func(d *Deps, _ *Config) { d.Auditor = nil })
	wantProblem(t, f.ask("GET", "/api/v1/streams", ""), http.StatusNotFound, "role inspector")
	wantProblem(t, f.ask("GET", "/api/v1/stream", ""), http.StatusNotFound, "role inspector")
	wantProblem(t, f.ask("POST", "/api/v1/reports", "{}"), http.StatusNotFound, "role ingest")
	read[api.Health](f, "/healthz")
	read[api.Health](f, "/readyz")
}

func TestWindowsArePagedWithoutGapOrRepeat(t *testing.T) {
	f := newFixture(t)
	var got []string
	path := "/api/v1/streams/orders/windows?from=2026-11-22T05:00:00Z&to=2026-11-22T05:14:00Z&limit=3"
	for next := ""; ; {
		p := read[api.Page[api.Window]](f, path+next)
		for _, w := range p.Items {
			got = append(got, w.Start.Format("15:04")+" "+w.Edge)
		}
		if p.Next == "" {
			break
		}
		next = "&cursor=" + p.Next
	}
	var want []string
	for i := range 5 {
		for _, e := range []string{"agent..sink", "app..agent"} {
			want = append(want, fmt.Sprintf("05:%02d %s", 9+i, e))
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTheFirstPageOfAMonthDoesNotReadTheMonth(t *testing.T) {
	f := newFixture(t)
	info := f.auditor.infos["orders"]
	info.Earliest = testStart.Add(-time.Minute)
	f.auditor.infos["orders"] = info
	p := read[api.Page[api.Window]](f, "/api/v1/streams/orders/windows?from=2026-11-01T00:00:00Z&to=2026-11-30T00:00:00Z&limit=4")
	if len(p.Items) != 4 || p.Next == "" {
		t.Fatalf("%d items, next %q", len(p.Items), p.Next)
	}
	if d := cmp.Diff([]time.Duration{6 * time.Minute}, f.auditor.asked); d != "" {
		t.Error(d)
	}
}

func TestAWindowIsToldWithLatencyAndRevisions(t *testing.T) {
	f := newFixture(t)
	f.auditor.verdicts[1].Delivered = 100
	f.store.latencies = map[store.LatencyKey]latency.Histogram{
		{Start: testStart, Hop: "agent"}: {Scale: 0, Counts: map[int32]uint64{0: 99, 9: 1}},
		{Start: testStart, Hop: "sink"}:  {Counts: map[int32]uint64{20: 1}},
	}
	w := read[api.WindowDetail](f, "/api/v1/streams/orders/windows/2026-11-22T05:09:00Z?edge=app..agent")
	if w.State != "incomplete" || w.Lost != 3 || w.Stream != "orders" || len(w.Revisions) != 2 || w.Reasons == nil {
		t.Errorf("%+v", w)
	}
	if d := cmp.Diff(&api.Latency{
		P50: 2, P95: 2, P99: 2, Max: 1024, RelativeError: 1, NotArrived: 3, Beyond: []string{"p99", "max"},
	}, w.Latency); d != "" {
		t.Error(d)
	}
}

func TestUIDsAreNamedPageByPage(t *testing.T) {
	f := newFixture(t)
	source, err := wire.ParseUID("0199f09c-1d2e-8abc-9def-012300000000")
	if err != nil {
		t.Fatal(err)
	}
	f.auditor.named = []store.Named{
		{UID: source.WithSequence(3).String(), Source: source, Sequence: 3, Host: "web-17", LastHop: "app"},
		{UID: "order-7", Foreign: true, LastHop: "app", Times: 2},
	}
	path := "/api/v1/streams/orders/windows/2026-11-22T05:09:00Z/uids?edge=app..agent&limit=1"
	first := read[api.Page[api.UID]](f, path)
	second := read[api.Page[api.UID]](f, path+"&cursor="+first.Next)
	three := uint32(3)
	want := []api.UID{
		{UID: "0199f09c-1d2e-8abc-9def-012300000003", Source: source.String(), Sequence: &three, Host: "web-17", LastHop: "app"},
		{UID: "order-7", LastHop: "app", Times: 2},
	}
	if d := cmp.Diff(want, append(first.Items, second.Items...)); d != "" || second.Next != "" {
		t.Errorf("%s, next %q", d, second.Next)
	}
}

func TestATraceTellsHopsNeighboursAndOtherWindows(t *testing.T) {
	f := newFixture(t)
	uid := "0199f09c-1d2e-8abc-9def-012300000007"
	six := uint32(6)
	f.auditor.traces[uid] = []store.Trace{
		{Stream: "orders", Start: testStart, Before: &six, Hops: []store.TraceHop{{Hop: "app", Seen: true, Kinds: []wire.Kind{wire.Seen, wire.Corrupt}}, {Hop: "agent"}}},
		{Stream: "copies", Start: testStart},
	}
	f.auditor.traces["a/b?c"] = []store.Trace{{Stream: "orders", Start: testStart}}
	got := read[api.Trace](f, "/api/v1/uids/"+strings.ToUpper(uid))
	if got.UID != uid || got.LastHop != "app" || *got.Sequence != 7 || got.Neighbours.Before != "0199f09c-1d2e-8abc-9def-012300000006" || len(got.Also) != 1 {
		t.Errorf("%+v", got)
	}
	if d := cmp.Diff([]string{"seen", "corrupt"}, got.Hops[0].Kinds); d != "" {
		t.Error(d)
	}
	if foreign := read[api.Trace](f, "/api/v1/uids/a%2Fb%3Fc"); foreign.UID != "a/b?c" || foreign.Sequence != nil {
		t.Errorf("%+v", foreign)
	}
}

func TestEmittersAreAliveDarkOrClosed(t *testing.T) {
	f := newFixture(t)
	id := func(n byte) wire.UID { return wire.UID{15: n} }
	recent := testNow.Add(-10 * time.Second)
	f.store.emitters = []store.Emitter{
		{ID: id(1), Hop: "app", Heartbeat: 5 * time.Second, LastSent: recent.Add(time.Second), LastReceived: recent, Highest: 9, Stored: 7},
		{ID: id(2), Hop: "app", Heartbeat: 3 * time.Second, LastReceived: recent},
		{ID: id(3), Hop: "app", Heartbeat: 5 * time.Second, LastReceived: recent, ClosedAt: recent},
		{ID: id(4), Hop: "app", Heartbeat: 3 * time.Second, LastReceived: recent, EndedAt: recent},
		{ID: id(5), Hop: "agent", Heartbeat: 3 * time.Second, LastReceived: recent},
	}
	body := `{"at":"2026-11-22T05:00:00Z","why":"the host is gone"}`
	if w := f.ask("POST", "/api/v1/streams/orders/emitters/"+id(5).String()+"/close", body); w.Code != 200 {
		t.Fatal(w.Body)
	}
	page := read[api.Page[api.Emitter]](f, "/api/v1/streams/orders/emitters")
	var got []string
	for _, e := range page.Items {
		got = append(got, e.Hop+" "+e.State+" "+e.ClosedBy)
	}
	if d := cmp.Diff([]string{"agent closed local", "app alive ", "app dark ", "app closed ", "app closed "}, got); d != "" {
		t.Error(d)
	}
	if e := page.Items[1]; e.Missing != 2 || e.SkewMillis != 1000 {
		t.Errorf("%+v", e)
	}
	if c := f.store.closings[0]; c.Who != "local" || c.Why != "the host is gone" || c.Kind != store.CloseEmitter || !c.MadeAt.Equal(testNow) {
		t.Errorf("%+v", c)
	}
}

// The skew of an emitter was that of its last report alone, which may have been long on its way.
func TestTheSkewOfAnEmitterIsThatOfItsHostsQuickestReport(t *testing.T) {
	f := newFixture(t)
	f.store.clocks = []store.HostClock{
		{Host: "web-17", Ahead: -40 * time.Millisecond, Lowest: -time.Second, Transit: 15 * time.Millisecond, Reports: 120}, {Host: "web-18", Ahead: time.Hour, Reports: 1}, {Ahead: time.Hour, Reports: 9},
	}
	for n, host := range []string{"web-17", "web-18", ""} {
		f.store.emitters = append(f.store.emitters, store.Emitter{ID: wire.UID{15: byte(n)}, Hop: "app", Host: host, LastSent: testNow.Add(-3 * time.Second), LastReceived: testNow})
	}
	items := read[api.Page[api.Emitter]](f, "/api/v1/streams/orders/emitters").Items
	if e := items[0]; e.SkewMillis != -40 || e.SkewError == nil || *e.SkewError != 15 {
		t.Errorf("%+v", e)
	}
	for _, e := range items[1:] {
		if e.SkewMillis != -3000 || e.SkewError != nil {
			t.Errorf("%+v", e)
		}
	}
}

func TestHoursAreRolledUpAndPaged(t *testing.T) {
	f := newFixture(t)
	f.auditor.hours = append(f.auditor.hours, store.Hour{Stream: "clicks", Start: testStart.Truncate(time.Hour), State: store.Complete})
	first := read[api.Page[api.Hour]](f, "/api/v1/hours?limit=1")
	second := read[api.Page[api.Hour]](f, "/api/v1/hours?limit=1&cursor="+first.Next)
	if first.Items[0].Stream != "clicks" || second.Items[0].Stream != "orders" || second.Next != "" || second.Items[0].Hour != "2026-11-22T05" {
		t.Errorf("%+v then %+v", first, second)
	}
	if only := read[api.Page[api.Hour]](f, "/api/v1/hours?stream=orders"); len(only.Items) != 1 {
		t.Errorf("%+v", only)
	}
	hour := read[api.HourDetail](f, "/api/v1/streams/orders/hours/2026-11-22T05")
	if hour.State != "incomplete" || len(hour.Windows) != 1 || hour.NextCertifiableAt == nil {
		t.Errorf("%+v", hour)
	}
}

func TestQuarantineIsPagedByRowsAndByBytes(t *testing.T) {
	f := newFixture(t)
	for i := range 40 {
		f.store.quarantine = append(f.store.quarantine, store.Quarantined{ID: fmt.Sprintf("%03d", i), Body: make([]byte, 1<<20)})
	}
	total, pages := 0, 0
	for next := ""; ; pages++ {
		p := read[api.Page[api.Quarantined]](f, "/api/v1/quarantine?limit=1000"+next)
		total += len(p.Items)
		if p.Next == "" {
			break
		}
		next = "&cursor=" + p.Next
	}
	if total != 40 || pages != 2 {
		t.Errorf("%d records on %d pages and one more", total, pages)
	}
}

func TestAStreamIsToldWithItsLastVerdicts(t *testing.T) {
	f := newFixture(t)
	last := testNow.Truncate(time.Minute).Add(-time.Minute)
	f.auditor.verdicts = append(f.auditor.verdicts, store.Verdict{Stream: "orders", Start: last, Edge: appAgent, State: store.Settling})
	page := read[api.Page[api.Stream]](f, "/api/v1/streams")
	if len(page.Items) != 1 || len(page.Items[0].Last) != 1 || page.Items[0].Last[0].State != "settling" || *page.Items[0].Settings.GraceSeconds != 10 {
		t.Errorf("%+v", page)
	}
	mark := read[api.Watermark](f, "/api/v1/streams/orders/watermark?hop=agent")
	if !mark.Watermark.Equal(testStart) || mark.BlockedBy.State != "incomplete" || mark.BlockedBy.Reasons == nil {
		t.Errorf("%+v", mark)
	}
}

func TestEvidenceListsLanesAndReports(t *testing.T) {
	f := newFixture(t)
	e := read[api.Evidence](f, "/api/v1/streams/orders/windows/2026-11-22T05:09:00Z/evidence")
	if len(e.Hops) != 1 || len(e.Hops[0].Lanes) != 1 || e.Hops[0].Lanes[0].Emitter != "" || e.Reports == nil {
		t.Errorf("%+v", e)
	}
}

func TestStatusAddsStoreVersionAndAge(t *testing.T) {
	pass := testNow.Add(-1500 * time.Millisecond)
	f := newFixture(t, func(d *Deps, _ *Config) {
		d.Status = func(context.Context) api.Status { return api.Status{Kafka: "ok", IngestLag: 7, LastPass: &pass} }
	})
	got := read[api.Status](f, "/api/v1/status")
	want := api.Status{Version: "test", Store: "ok", Kafka: "ok", IngestLag: 7, LastPass: &pass, ReconcileAgeMillis: 1500}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
