package inspector

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

func TestSettingsAreKeptAsGivenWithDefaultsFilledIn(t *testing.T) {
	f := newFixture(t)
	body := `{"graceSeconds":0,"edges":["app..agent"],"owner":"growth","hops":{"agent":{"rewrites":true}},"certify":{"allow":["rejected"]},"objectives":{"completeness":0.9999,"timeliness":0.99,"timelySeconds":60,"validity":0.999},"alertOn":["corrupt"]}`
	w := f.ask("PUT", "/api/v1/streams/orders", body)
	if w.Code != 200 {
		t.Fatal(w.Body)
	}
	var got api.Settings
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	n := func(v uint32) *uint32 { return &v }
	want := api.Settings{
		WindowSeconds: 60, GraceSeconds: n(0), SettleSeconds: n(120), SkewMillis: n(2000), Edges: []string{"app..agent"}, Owner: "growth",
		Hops: map[string]api.HopSettings{"agent": {Rewrites: true}}, Certify: &api.Certify{Allow: []string{"rejected"}},
		Objectives: &api.Objectives{Completeness: 0.9999, Timeliness: 0.99, TimelySeconds: 60, Validity: 0.999}, AlertOn: []string{"corrupt"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if s := f.store.settings["orders"]; s.Grace != 0 || s.Settle != 2*time.Minute || s.Edges[0] != appAgent {
		t.Errorf("%+v", s)
	}
}

func TestObjectivesThatCannotBeAreRefusedWithTheirLimit(t *testing.T) {
	f := newFixture(t)
	for body, want := range map[string]string{
		`{"objectives":{"validity":1.5}}`:         "body.objectives.validity",
		`{"objectives":{"timeliness":-1}}`:        "body.objectives.timeliness",
		`{"objectives":{"timelySeconds":3601}}`:   "not from 0 to 3600",
		`{"objectives":{"latencyP99Millis":-1}}`:  "negative",
		`{"alertOn":["corrupt","loss"]}`:          "body.alertOn[1]",
		`{"objectives":{"availability":0.99999}}`: "unknown key",
	} {
		wantProblem(t, f.ask("PUT", "/api/v1/streams/orders", body), 400, want)
	}
}

func TestAWindowLengthChangesOnlyInTheFutureOnceReportsAreThere(t *testing.T) {
	at := func(text string) *time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return &v
	}
	six, seven := at("2026-11-22T06:00:00Z"), at("2026-11-22T07:00:00Z")
	past := store.Settings{Lengths: []store.Length{{Seconds: 60}, {From: *at("2026-11-20T00:00:00Z"), Seconds: 300}}}
	coming := store.Settings{Lengths: []store.Length{{Seconds: 60}, {From: *seven, Seconds: 300}}}
	for _, c := range []struct {
		name  string
		old   store.Settings
		asked api.Settings
		used  bool
		now   time.Time
		want  []store.Length
	}{
		{"new stream", store.DefaultSettings("x"), api.Settings{WindowSeconds: 10}, false, testNow, []store.Length{{Seconds: 10}}},
		{"absent changes nothing", past, api.Settings{}, true, testNow, past.Lengths},
		{"the same changes nothing", past, api.Settings{WindowSeconds: 300}, true, testNow, past.Lengths},
		{"what GET told changes nothing", past, api.Settings{WindowSeconds: 300, WindowFrom: &past.Lengths[1].From}, true, testNow, past.Lengths},
		{"from the next hour", store.DefaultSettings("x"), api.Settings{WindowSeconds: 10}, true, testNow, []store.Length{{Seconds: 60}, {From: *six, Seconds: 10}}},
		{"the next hour is too near", store.DefaultSettings("x"), api.Settings{WindowSeconds: 10}, true, testNow.Add(20 * time.Minute),
			[]store.Length{{Seconds: 60}, {From: *seven, Seconds: 10}}},
		{"from the hour that is said", past, api.Settings{WindowSeconds: 10, WindowFrom: seven}, true, testNow,
			append(past.Lengths[:2:2], store.Length{From: *seven, Seconds: 10})},
		{"in the place of a change to come", coming, api.Settings{WindowSeconds: 10}, true, testNow, []store.Length{{Seconds: 60}, {From: *six, Seconds: 10}}},
		{"taking a change to come back", coming, api.Settings{WindowSeconds: 60}, true, testNow, []store.Length{{Seconds: 60}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := nextLengths(c.old, c.asked, c.used, c.now)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
