package inspector

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

// said is what hops say of schemas, as a test lays it out.
type said struct {
	figures  map[store.SchemaKey]*store.SchemaFigures
	versions []store.SchemaVersion
	samples  []wire.Sample
	asked    []store.SampleQuery
}

func (s *said) SchemaWindows(_ context.Context, q store.SchemaQuery, limit int) ([]time.Time, error) {
	var starts []time.Time
	for k := range s.figures {
		if !k.Start.Before(q.From) && k.Start.Before(q.To) && (q.Hop == "" || q.Hop == k.Hop) && !slices.Contains(starts, k.Start) {
			starts = append(starts, k.Start)
		}
	}
	slices.SortFunc(starts, time.Time.Compare)
	return starts[:min(limit, len(starts))], nil
}

func (s *said) SchemaFigures(_ context.Context, q store.SchemaQuery) (map[store.SchemaKey]*store.SchemaFigures, error) {
	found := map[store.SchemaKey]*store.SchemaFigures{}
	for k, f := range s.figures {
		if !k.Start.Before(q.From) && k.Start.Before(q.To) && (q.Hop == "" || q.Hop == k.Hop) {
			found[k] = f
		}
	}
	return found, nil
}

func (s *said) SchemaVersions(context.Context, store.SchemaQuery) ([]store.SchemaVersion, error) {
	return s.versions, nil
}

func (s *said) Samples(_ context.Context, q store.SampleQuery) ([]wire.Sample, string, error) {
	s.asked = append(s.asked, q)
	if q.After == "odd" {
		return nil, "", fmt.Errorf("%w: odd", store.ErrCursor)
	}
	return s.samples, "more", nil
}

func checkedCounts(ok, invalid uint64) []store.SchemaCount {
	return []store.SchemaCount{
		{Outcome: "INVALID", ID: "orders", Version: "7", Reason: "/amount: expected number", Events: invalid, Kinds: 1},
		{Outcome: "OK", ID: "orders", Version: "7", Events: ok, Kinds: 1},
	}
}

func from(hosts ...string) []store.HostCount {
	var all []store.HostCount
	for i, h := range hosts {
		all = append(all, store.HostCount{Host: h, Events: uint64(10 * (len(hosts) - i)), Kinds: 1})
	}
	return all
}

func TestTheSentenceSaysWhatArrivedWhatBreaksAndWhereFrom(t *testing.T) {
	edge := func(state store.State, expected, delivered, lost, pending uint64) []store.Verdict {
		v := store.Verdict{Edge: appAgent, State: state}
		v.Expected, v.Delivered, v.Lost, v.Pending = expected, delivered, lost, pending
		return []store.Verdict{v}
	}
	other := store.SchemaCount{Outcome: "INVALID", Events: 5, Other: true, Kinds: 3}
	for _, c := range []struct {
		want     string
		edges    []store.Verdict
		produced uint64
		f        *store.SchemaFigures
	}{
		{"99.99 % delivered (9 999 of 10 000, 1 missing), 0.3 % break version 7 (30 of 10 000), all from web-17",
			edge(store.Incomplete, 10_000, 9_999, 1, 0), 10_000, &store.SchemaFigures{
				Counts: checkedCounts(9_970, 30), Sources: []store.HostCount{{Host: "web-17", Events: 30, Kinds: 1}}, Emitters: from("agent-1"),
			}},
		{"12 events produced, 50 % break version 7 (30 of 60), the 10 that are named from web-17", nil, 12, &store.SchemaFigures{Counts: checkedCounts(30, 30), Sources: from("web-17")}},
		{"50 % delivered of what is known (6 of 12, 6 pending)", edge(store.Unknown, 12, 6, 0, 6), 12, nil},
		{"not known whether any event was expected", edge(store.Unknown, 0, 0, 0, 0), 0, nil},
		{"99.99 % delivered (4 201 932 of 4 201 933, 1 missing), less than 0.01 % break version 7 (1 of 4 201 932)",
			edge(store.Incomplete, 4_201_933, 4_201_932, 1, 0), 0, &store.SchemaFigures{Counts: checkedCounts(4_201_931, 1)}},
		{"100 % delivered (12 of 12), none of 12 checked breaks its schema", edge(store.Complete, 12, 12, 0, 0), 12, &store.SchemaFigures{Counts: checkedCounts(12, 0)[1:], Sources: from("web-17")}},
		{"50 % delivered so far (6 of 12, 6 pending)", edge(store.Settling, 12, 6, 0, 6), 12, nil},
		{"no event expected", edge(store.Complete, 0, 0, 0, 0), 0, nil},
		{"1 event produced, 100 % break version 7 (1 of 1), all taken over by agent-1", nil, 1, &store.SchemaFigures{Counts: checkedCounts(0, 1)[:1], Emitters: from("agent-1")}},
		{"12 events produced, 99.99 % break version 7 (99 999 of 100 000), most from a (30 of 50)", nil, 12,
			&store.SchemaFigures{Counts: checkedCounts(1, 99_999), Sources: []store.HostCount{{Host: "a", Events: 30, Kinds: 1}, {Events: 20, Other: true, Kinds: 3}}}},
		{"12 events produced, 10 % break version 7 (1 of 10), from 4 hosts", nil, 12, &store.SchemaFigures{Counts: checkedCounts(9, 1), Sources: from("a", "b", "c", "d")}},
		{"12 events produced, 60 % break their schema (15 of 25)", nil, 12, &store.SchemaFigures{Counts: append(checkedCounts(10, 10), other)}},
		{"12 events produced, 50 % break version 7 of orders (2 of 4), 25 % cannot be decoded (1 of 4), 25 % are of an unknown schema (1 of 4)", nil, 12,
			&store.SchemaFigures{Counts: append(checkedCounts(0, 2)[:1], store.SchemaCount{Outcome: "UNDECODABLE", Events: 1, Kinds: 1}, store.SchemaCount{Outcome: "UNKNOWN_SCHEMA", ID: "clicks", Events: 1, Kinds: 1})}},
		{"12 events produced, none of 4 checked breaks its schema, 25 % use a deprecated version (1 of 4)", nil, 12,
			&store.SchemaFigures{Counts: append(checkedCounts(3, 0)[1:], store.SchemaCount{Outcome: "DEPRECATED", ID: "orders", Version: "5", Events: 1, Kinds: 1})}},
	} {
		if got := sentence(c.edges, c.produced, c.f); got != c.want {
			t.Errorf("%q\nwant %q", got, c.want)
		}
	}
}

func TestSharesAreNeverRoundedToHide(t *testing.T) {
	for _, c := range []struct {
		n, of       uint64
		least, most string
	}{
		{1, 3, "33.33 %", "33.34 %"}, {2, 3, "66.66 %", "66.67 %"}, {0, 7, "0 %", "0 %"}, {7, 7, "100 %", "100 %"}, {1, 8, "12.5 %", "12.5 %"},
		{math.MaxUint64 - 1, math.MaxUint64, "99.99 %", "99.99 %"}, {1, math.MaxUint64, "0 %", "less than 0.01 %"},
		{9_999_999, 10_000_000, "99.99 %", "99.99 %"},
	} {
		if least, most := atLeast(c.n, c.of), atMost(c.n, c.of); least != c.least || most != c.most {
			t.Errorf("%d of %d is at least %s and at most %s; want %s and %s", c.n, c.of, least, most, c.least, c.most)
		}
	}
}

func TestSchemasAreListedBesideCompletenessPageByPage(t *testing.T) {
	f := newFixture(t)
	f.store.figures = map[store.SchemaKey]*store.SchemaFigures{}
	for i := range 5 {
		start := testStart.Add(time.Duration(i) * time.Minute)
		f.store.figures[store.SchemaKey{Start: start, Hop: "agent"}] = &store.SchemaFigures{Counts: checkedCounts(97, 3), Sources: from("web-17"), Emitters: from("agent-1")}
		f.store.figures[store.SchemaKey{Start: start, Hop: "app"}] = &store.SchemaFigures{Counts: checkedCounts(100, 0)[1:]}
		f.store.figures[store.SchemaKey{Start: start, Hop: "sink"}] = &store.SchemaFigures{Sources: from("web-17")} // named and not counted
	}
	f.store.versions = []store.SchemaVersion{{Hop: "agent", ID: "orders", Version: "7", First: testStart, Last: testStart, Events: 3, Kinds: 1}, {Hop: "agent", Events: 9, Other: true, Kinds: 4}}
	const path = "/api/v1/streams/orders/schemas?limit=2&from=2026-11-22T05:00:00Z"
	var items []api.SchemaWindow
	for next, pages := "", 0; ; pages++ {
		page := read[api.Schemas](f, path+next)
		items = append(items, page.Items...)
		if wantVersions := pages == 0; wantVersions != (len(page.Versions) == 2) {
			t.Errorf("page %d has %d versions", pages, len(page.Versions))
		}
		if page.Next == "" {
			break
		}
		next = "&cursor=" + page.Next
	}
	if len(items) != 10 || items[0].Hop != "agent" || items[1].Hop != "app" || !items[9].Start.Equal(testStart.Add(4*time.Minute)) {
		t.Fatalf("%d rows: %+v", len(items), items)
	}
	agent, app := items[0], items[1]
	if agent.Checked != 100 || agent.Invalid != 3 || agent.OK != 97 || agent.InvalidShare != 0.03 || len(agent.Edges) != 1 || agent.Edges[0].Edge != "app..agent" ||
		agent.Edges[0].Lost != 3 || agent.Edges[0].State != "incomplete" || agent.Sources[0].Host != "web-17" || agent.Emitters[0].Host != "agent-1" || agent.Produced != 100 {
		t.Errorf("agent: %+v", agent)
	}
	if len(app.Edges) != 0 || app.Produced != 100 || app.Sentence != "100 events produced, none of 100 checked breaks its schema" {
		t.Errorf("app: %+v", app)
	}
	if only := read[api.Schemas](f, path+"&hop=app"); len(only.Items) != 2 || only.Items[0].Hop != "app" {
		t.Errorf("of one hop: %+v", only.Items)
	}
}

// No edge leads to a first hop: what it finds is told of on the edge that leaves it, where else nobody checks.
func TestAWindowSaysWhatTheFirstHopFoundWhereTheNextOneChecksNothing(t *testing.T) {
	f := newFixture(t)
	f.store.figures = map[store.SchemaKey]*store.SchemaFigures{{Start: testStart, Hop: "app"}: {Counts: checkedCounts(97, 3), Sources: from("web-17")}}
	for i := range f.auditor.verdicts {
		f.auditor.verdicts[i].InvalidAtSource, f.auditor.verdicts[i].CheckedAtSource = 3, 100
	}
	const at = "/api/v1/streams/orders/windows/2026-11-22T05:09:00Z?edge=app..agent"
	if said := read[api.WindowDetail](f, at).Sentence; !strings.HasSuffix(said, "3 % break version 7 (3 of 100), all from web-17, as app checked them") {
		t.Errorf("%q", said)
	}
	f.store.figures[store.SchemaKey{Start: testStart, Hop: "agent"}] = &store.SchemaFigures{Counts: checkedCounts(99, 1), Sources: from("web-3")}
	for i := range f.auditor.verdicts {
		f.auditor.verdicts[i].Checked = 100
	}
	if said := read[api.WindowDetail](f, at).Sentence; !strings.HasSuffix(said, "1 % break version 7 (1 of 100), all from web-3") {
		t.Errorf("where both check: %q", said)
	}
}

func TestAWindowSaysTheSameSentenceAsTheListOfSchemas(t *testing.T) {
	f := newFixture(t)
	f.store.figures = map[store.SchemaKey]*store.SchemaFigures{{Start: testStart, Hop: "agent"}: {Counts: checkedCounts(97, 3), Sources: from("web-17")}}
	window := read[api.WindowDetail](f, "/api/v1/streams/orders/windows/2026-11-22T05:09:00Z?edge=app..agent")
	list := read[api.Schemas](f, "/api/v1/streams/orders/schemas?from=2026-11-22T05:00:00Z")
	if window.Sentence != list.Items[0].Sentence || !strings.Contains(window.Sentence, "3 % break version 7 (3 of 100), all from web-17") {
		t.Errorf("%q and %q", window.Sentence, list.Items[0].Sentence)
	}
}

// A page spans a day at most, so that windows far apart do not cost all that lies between them.
func TestAPageOfSchemasSpansADayAtMost(t *testing.T) {
	f := newFixture(t)
	f.store.figures = map[store.SchemaKey]*store.SchemaFigures{}
	for _, days := range []int{0, 1, 3} {
		f.store.figures[store.SchemaKey{Start: testStart.Add(-time.Duration(days) * 24 * time.Hour), Hop: "agent"}] = &store.SchemaFigures{Counts: checkedCounts(1, 1)}
	}
	page := read[api.Schemas](f, "/api/v1/streams/orders/schemas?from=2026-11-16T00:00:00Z")
	if len(page.Items) != 1 || page.Next == "" {
		t.Fatalf("%d rows, next %q", len(page.Items), page.Next)
	}
	page = read[api.Schemas](f, "/api/v1/streams/orders/schemas?from=2026-11-16T00:00:00Z&cursor="+page.Next)
	if len(page.Items) != 2 || page.Next != "" {
		t.Errorf("%d rows, next %q", len(page.Items), page.Next)
	}
}

func TestQuestionsAboutSchemasThatCannotBeAnsweredAreRefused(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		query  string
		status int
		text   string
	}{
		{"orders/schemas?hop=agnet", 400, "no hop"}, {"orders/samples?hop=agnet", 400, "it has app, agent, sink"},
		{"orders/schemas?from=2026-11-01T00:00:00Z", 400, "at most 168h0m0s"}, {"orders/schemas?limit=1001", 400, "1 to 1000"},
		{"orders/samples?limit=1001", 400, "1 to 1000"}, {"orders/schemas?cursor=eA", 400, "not a cursor"}, {"orders/samples?cursor=b2Rk", 400, "not a cursor"},
		{"orders/schemas?edge=x", 400, "unknown parameter"}, {"clicks/schemas", 404, "clicks"}, {"clicks/samples", 404, "clicks"},
	} {
		wantProblem(t, f.ask(http.MethodGet, "/api/v1/streams/"+c.query, ""), c.status, c.text)
	}
}

func TestSamplesAreListedAsTheyWereAskedFor(t *testing.T) {
	f := newFixture(t)
	f.store.samples = []wire.Sample{{Stream: "orders", Hop: "agent", Emitter: wire.UID{15: 1}, Window: testStart, UID: "order-1", Payload: "<string 4>", Cut: true}}
	page := read[api.Page[api.Sample]](f, "/api/v1/streams/orders/samples?hop=agent&schema=orders&version=7&reason=/amount:%20x&limit=9&cursor=YQ")
	if len(page.Items) != 1 || page.Items[0].Payload != "<string 4>" || !page.Items[0].Cut || page.Next != cursor("more") {
		t.Errorf("%+v", page)
	}
	read[api.Page[api.Sample]](f, "/api/v1/streams/orders/samples?from=2150-01-01T00:00:00Z&to=2150-01-02T00:00:00Z")
	if q := f.store.asked[1]; q.From.After(testNow.Add(time.Hour)) || q.To.After(testNow.Add(time.Hour)) {
		t.Errorf("asked the store for the year 2150: %+v", q)
	}
	want := store.SampleQuery{
		Stream: "orders", From: testNow.Add(-time.Hour), To: testNow, Now: testNow, Hop: "agent", Schema: "orders", Version: "7", Reason: "/amount: x", After: "a", Limit: 9,
	}
	if f.store.asked[0] != want {
		t.Errorf("asked %+v", f.store.asked[0])
	}
}

func TestAServerWithoutIngestTakesNoSamples(t *testing.T) {
	wantProblem(t, newFixture(t).ask(http.MethodPost, samplesRoute, "{}"), http.StatusNotFound, "role ingest")
}

// A day of windows of ten seconds was 8640 rows of each hop, on 44 pages.
func TestADayOfSchemasIsToldInFewRows(t *testing.T) {
	f := newFixture(t)
	f.auditor.verdicts[7].State = store.Open // app..agent, fourth window
	f.auditor.verdicts[9].State = store.Unknown
	f.store.figures = map[store.SchemaKey]*store.SchemaFigures{}
	for _, start := range []time.Time{testStart.Add(-time.Minute), testStart.Add(2 * time.Minute)} {
		f.store.figures[store.SchemaKey{Start: start, Hop: "agent"}] = &store.SchemaFigures{Counts: checkedCounts(97, 3)}
	}
	path := "/api/v1/streams/orders/schemas?hop=agent&step=170&limit=1&from=2026-11-22T05:07:30Z&to=2026-11-22T05:20:00Z"
	p := read[api.Schemas](f, path)
	if len(p.Items) != 1 || p.Next == "" || p.Items[0].Seconds != 180 || !p.Items[0].Start.Equal(testStart.Add(-time.Minute)) {
		t.Fatalf("%+v", p)
	}
	if d := cmp.Diff([]api.SchemaHop{{Hop: "agent", Standing: api.Standing{Windows: 5, NotClosed: 2, Unknown: 1}}}, p.Hops); d != "" {
		t.Error(d)
	}
	if w := p.Items[0]; w.Windows != 2 || w.NotClosed != 0 || w.Produced != 200 || len(w.Edges) != 1 || w.Edges[0].Lost != 3 || w.Edges[0].State != "incomplete" {
		t.Errorf("05:08 to 05:11: %+v", w)
	}
	last := read[api.Schemas](f, path+"&cursor="+p.Next)
	if len(last.Items) != 1 || last.Hops != nil || last.Next != "" || last.Items[0].Windows != 3 || last.Items[0].NotClosed != 2 || last.Items[0].Edges[0].State != "unknown" {
		t.Errorf("05:11 to 05:14: %+v", last)
	}
	for _, bad := range []string{"0", "-60", "1.5", "604801", "x"} {
		wantProblem(t, f.ask(http.MethodGet, "/api/v1/streams/orders/schemas?step="+bad, ""), 400, "not a number of seconds")
	}
}

// TestStretchesAreThoseOfTheirWindows draws windows and puts them together, one by one and in stretches, in any order.
func TestStretchesAreThoseOfTheirWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole, parts := newSums(), []*sums{newSums(), newSums()}
		var lost, produced uint64
		var standing judged
		for range rapid.IntRange(0, 6).Draw(t, "windows") {
			v := missingOn("app..agent", rapid.Uint64Range(0, 9).Draw(t, "lost"), 0)
			v.Produced, v.State = rapid.Uint64Range(0, 9).Draw(t, "produced"), rapid.SampledFrom([]store.State{store.Complete, store.Open, store.Unknown}).Draw(t, "state")
			other := v
			other.Edge = agentSink
			lost, produced, standing = lost+v.Lost, produced+v.Produced, standing.plus(judge([]store.Verdict{v}))
			whole.addWindow([]store.Verdict{v, other})
			rapid.SampledFrom(parts).Draw(t, "part").addWindow([]store.Verdict{other, v})
		}
		var ofParts judged
		for _, p := range parts {
			ofParts = ofParts.plus(p.hops["agent"])
			for _, v := range p.into("agent") {
				lost -= v.Lost
			}
			produced -= p.produced
		}
		if lost != 0 || produced != 0 || ofParts != standing || whole.hops["agent"] != standing || whole.hops["app"] != standing {
			t.Fatalf("%d lost and %d produced are in no stretch; %+v, %+v and %+v of %+v", lost, produced, ofParts, whole.hops["agent"], whole.hops["app"], standing)
		}
	})
}
