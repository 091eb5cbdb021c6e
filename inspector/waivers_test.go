package inspector

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

const waiversOfFive = "/api/v1/streams/orders/hours/2026-11-22T05/waivers"

// afterFive is a fixture in which hour five is over, with three events lost in it.
func afterFive(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t, func(d *Deps, _ *Config) { d.Now = func() time.Time { return testNow.Add(time.Hour) } })
	f.auditor.resolved = store.Resolution{
		Names:   []store.WaivedName{{WindowKey: store.WindowKey{Stream: "orders", Start: testStart}, Edge: appAgent, Kind: store.WaiveLost}},
		Windows: []store.WaivedWindow{{Start: testStart, Count: 3}},
	}
	return f
}

func decode[T any](t *testing.T, raw []byte) T {
	t.Helper()
	var out T
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return out
}

func TestAWaiverIsRecordedWithWhoWhyAndWhatItCovers(t *testing.T) {
	f := afterFive(t)
	w := f.ask("POST", waiversOfFive, `{"edge":"app..agent","kind":"lost","all":true,"reason":" a disk died ","ticket":"OPS-1"}`)
	got := decode[api.Waiver](t, w.Body.Bytes())
	if w.Code != http.StatusCreated || got.Count != 3 || len(got.Windows) != 1 || got.Who != "local" || got.Reason != "a disk died" || got.Hour != "2026-11-22T05" {
		t.Errorf("%d %+v", w.Code, got)
	}
	if len(f.store.waivers) != 1 || f.auditor.ask.Scope != store.WaiveAll {
		t.Errorf("stored %+v, asked %+v", f.store.waivers, f.auditor.ask)
	}
	for _, path := range []string{waiversOfFive, "/api/v1/streams/orders/waivers"} {
		if list := read[api.Page[api.Waiver]](f, path); len(list.Items) != 1 || list.Items[0].ID != got.ID {
			t.Errorf("%s: %+v", path, list)
		}
	}
}

func TestAWaiverOfWhatIsWaivedAlreadyAnswersWithThatOne(t *testing.T) {
	f := afterFive(t)
	first := decode[api.Waiver](t, f.ask("POST", waiversOfFive, `{"edge":"app..agent","kind":"lost","all":true,"reason":"x"}`).Body.Bytes())
	f.auditor.resolved.Standing = []wire.UID{f.store.waivers[0].ID}
	w := f.ask("POST", waiversOfFive, `{"edge":"app..agent","kind":"lost","all":true,"reason":"again"}`)
	if again := decode[api.Waiver](t, w.Body.Bytes()); w.Code != http.StatusOK || again.ID != first.ID || len(f.store.waivers) != 1 || len(f.store.marked) != 1 {
		t.Errorf("%d %+v, %d stored, %d marked", w.Code, again, len(f.store.waivers), len(f.store.marked))
	}
}

func TestUIDsThatAreNotOfTheKindAreNamedByTheirPath(t *testing.T) {
	f := afterFive(t)
	var uids []string
	for i := range 30 {
		uids = append(uids, fmt.Sprintf("order-%d", i))
		if i != 3 {
			f.auditor.resolved.Strange = append(f.auditor.resolved.Strange, i)
		}
	}
	body, err := json.Marshal(api.WaiverRequest{Edge: "app..agent", Kind: "lost", UIDs: uids, Reason: "x"})
	if err != nil {
		t.Fatal(err)
	}
	w := f.ask("POST", waiversOfFive, string(body))
	p := decode[api.Problem](t, w.Body.Bytes())
	if w.Code != http.StatusUnprocessableEntity || len(p.Errors) != 20 || p.Errors[3].Path != "body.uids[4]" || !strings.Contains(p.Detail, "29 of 30 UIDs") {
		t.Errorf("%d %+v", w.Code, p)
	}
	if len(f.store.waivers) != 0 {
		t.Errorf("waived all the same: %+v", f.store.waivers)
	}
}

func TestWrongWaiversAreRefusedWithTheirPath(t *testing.T) {
	many := `"` + strings.Join(make([]string, maxWaived+1), `x","`) + `x"`
	for _, c := range []struct {
		name, hour, body string
		status           int
		says             string
	}{
		{"an hour of long ago", "0001-01-01T00", `{}`, 400, "the year 1 is not between 1971 and 2100"},
		{"no hour", "2026-11-22", `{}`, 400, "path.hour"},
		{"a running hour", "2026-11-22T06", `{"edge":"app..agent","kind":"lost","all":true,"reason":"x"}`, 425, "runs until 2026-11-22T07:00:00Z"},
		{"a future hour", "2026-11-23T06", `{"edge":"app..agent","kind":"lost","all":true,"reason":"x"}`, 400, "lies in the future"},
		{"no edge", "2026-11-22T05", `{"kind":"lost","all":true,"reason":"x"}`, 400, "body.edge: missing"},
		{"another's edge", "2026-11-22T05", `{"edge":"a..b","kind":"lost","all":true,"reason":"x"}`, 400, "has no edge a..b; it has app..agent"},
		{"an unknown kind", "2026-11-22T05", `{"edge":"app..agent","kind":"late","all":true,"reason":"x"}`, 400, "body.kind"},
		{"nothing named", "2026-11-22T05", `{"edge":"app..agent","kind":"lost","reason":"x"}`, 400, "none is given"},
		{"two ways", "2026-11-22T05", `{"edge":"app..agent","kind":"lost","uids":["a"],"all":true,"reason":"x"}`, 400, "exclude each other"},
		{"UIDs of what has none", "2026-11-22T05", `{"edge":"app..agent","kind":"unplaced","uids":["a"],"reason":"x"}`, 400, "has no UIDs"},
		{"an emitter of a loss", "2026-11-22T05", `{"edge":"app..agent","kind":"lost","emitter":"a","reason":"x"}`, 400, "only of the kind unknown"},
		{"no emitter", "2026-11-22T05", `{"edge":"app..agent","kind":"unknown","emitter":"a","reason":"x"}`, 400, "body.emitter"},
		{"no reason", "2026-11-22T05", `{"edge":"app..agent","kind":"lost","all":true,"reason":" "}`, 400, "body.reason: missing"},
		{"a long reason", "2026-11-22T05", `{"edge":"app..agent","kind":"lost","all":true,"reason":"` + strings.Repeat("é", 1001) + `"}`, 400, "longer than 1000 characters"},
		{"a long ticket", "2026-11-22T05", `{"edge":"app..agent","kind":"lost","all":true,"reason":"x","ticket":"` + strings.Repeat("x", 201) + `"}`, 400, "body.ticket"},
		{"too many UIDs", "2026-11-22T05", `{"edge":"app..agent","kind":"lost","uids":[` + many + `],"reason":"x"}`, 400, "10001 UIDs; at most 10000"},
		{"an empty UID", "2026-11-22T05", `{"edge":"app..agent","kind":"lost","uids":["a",""],"reason":"x"}`, 400, "body.uids[1]"},
		{"an unknown key", "2026-11-22T05", `{"edge":"app..agent","kind":"lost","all":true,"why":"x"}`, 400, "body.why: unknown key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := afterFive(t)
			w := f.ask("POST", "/api/v1/streams/orders/hours/"+c.hour+"/waivers", c.body)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%d %s, want %d that says %q", w.Code, w.Body, c.status, c.says)
			}
			if len(f.store.waivers) != 0 {
				t.Errorf("waived all the same: %+v", f.store.waivers)
			}
		})
	}
}

func TestNothingIsWaivedWhileAnHourSettlesOrWhereNothingIsBad(t *testing.T) {
	f := afterFive(t)
	f.auditor.resolved.Settling = true
	if w := f.ask("POST", waiversOfFive, `{"edge":"app..agent","kind":"lost","all":true,"reason":"x"}`); w.Code != http.StatusTooEarly {
		t.Errorf("settling: %d %s", w.Code, w.Body)
	}
	f.auditor.resolved = store.Resolution{}
	w := f.ask("POST", waiversOfFive, `{"edge":"app..agent","kind":"lost","all":true,"reason":"x"}`)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "nothing is lost in hour 2026-11-22T05 on edge app..agent") {
		t.Errorf("nothing lost: %d %s", w.Code, w.Body)
	}
}

func TestOfAStreamThatIsNotKnownNothingIsWaivedDeclaredOrTold(t *testing.T) {
	f := afterFive(t)
	for path, body := range map[string]string{
		"hours/2026-11-22T05/waivers": `{"edge":"app..agent","kind":"lost","all":true,"reason":"x"}`,
		"epochs":                      `{"from":"2026-11-22T05:00:00Z","to":"2026-11-22T05:10:00Z","why":"x"}`,
	} {
		wantProblem(t, f.ask("POST", "/api/v1/streams/payments/"+path, body), http.StatusNotFound, `no stream "payments"`)
	}
	for _, path := range []string{"hours/2026-11-22T05", "hours/2026-11-22T05/waivers", "waivers", "epochs", "watermark/history"} {
		wantProblem(t, f.ask("GET", "/api/v1/streams/payments/"+path, ""), http.StatusNotFound, `no stream "payments"`)
	}
	if len(f.store.waivers) != 0 || len(f.store.marked) != 0 {
		t.Errorf("waived all the same: %+v", f.store.waivers)
	}
}

func TestAReplayIsDeclaredOnceAndListed(t *testing.T) {
	f := afterFive(t)
	w := f.ask("POST", "/api/v1/streams/orders/epochs", `{"from":"2026-11-22T05:00:00Z","to":"2026-11-22T05:10:00Z","why":"the topic was cut"}`)
	if got := decode[api.Epoch](t, w.Body.Bytes()); w.Code != http.StatusCreated || got.Epoch != 1 || got.Who != "local" {
		t.Errorf("%d %+v", w.Code, got)
	}
	if list := read[api.Page[api.Epoch]](f, "/api/v1/streams/orders/epochs"); len(list.Items) != 1 || list.Items[0].Why != "the topic was cut" {
		t.Errorf("%+v", list)
	}
	for says, body := range map[string]string{
		"body.from":          `{"to":"2026-11-22T05:10:00Z","why":"x"}`,
		"is not before 'to'": `{"from":"2026-11-22T05:10:00Z","to":"2026-11-22T05:10:00Z","why":"x"}`,
		"lies in the future": `{"from":"2026-11-23T05:10:00Z","to":"2026-11-24T05:10:00Z","why":"x"}`,
		"body.why: missing":  `{"from":"2026-11-22T05:00:00Z","to":"2026-11-22T05:10:00Z"}`,
	} {
		if w := f.ask("POST", "/api/v1/streams/orders/epochs", body); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), says) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

func TestTheWatermarksMovesAreToldPageByPageWithWhatItSteppedBackTo(t *testing.T) {
	f := newFixture(t)
	for i := range 5 {
		f.store.moves = append(f.store.moves, store.WatermarkMove{
			Stream: "orders", At: testStart.Add(time.Duration(i) * time.Minute), Watermark: testStart.Add(time.Duration(i) * time.Minute),
			Previous: testStart.Add(time.Duration(i-1) * time.Minute), Reason: "advanced",
		})
	}
	last := &f.store.moves[4]
	last.Watermark, last.Reason = testStart, "late-data"
	last.Blocked = &store.Blocked{Start: testStart, Edge: appAgent, State: store.Incomplete}
	var got []api.WatermarkMove
	query := "/api/v1/streams/orders/watermark/history?limit=2"
	for next := ""; ; {
		p := read[api.Page[api.WatermarkMove]](f, query+next)
		got = append(got, p.Items...)
		if p.Next == "" {
			break
		}
		next = "&cursor=" + p.Next
	}
	if len(got) != 5 || got[1].Back || got[1].Reason != "advanced" || !got[4].Back || got[4].Reason != "late-data" || got[4].BlockedBy.Edge != "app..agent" {
		t.Errorf("%+v", got)
	}
}
