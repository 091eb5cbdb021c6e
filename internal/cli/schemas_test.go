package cli

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/inspector/api"
)

func brokenWindow() api.SchemaWindow {
	return api.SchemaWindow{
		Start: minute, Seconds: 60, Hop: "agent", Sentence: "99.99 % delivered, 3 % break version 7, all from web-17", Checked: 100, OK: 97, Invalid: 3,
		Counts: []api.SchemaCount{
			{Outcome: "INVALID", Schema: "orders", Version: "7", Reason: "/amount: expected number", Events: 2}, {Outcome: "INVALID", Events: 9, Other: 4}, {Outcome: "OK", Events: 97},
		},
		Sources: []api.HostCount{{Host: "web-17", Events: 3}},
	}
}

func TestSchemasThatAreBrokenAreABadAnswer(t *testing.T) {
	var asked []string
	s := server(t, map[string]http.HandlerFunc{"GET /streams/orders/schemas": func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("hop")+" "+r.URL.Query().Get("cursor"))
		page := api.Schemas{Items: []api.SchemaWindow{brokenWindow()}, Versions: []api.SchemaVersion{}}
		if r.URL.Query().Get("cursor") == "" {
			page.Next = "next"
			page.Versions = []api.SchemaVersion{{Hop: "agent", Schema: "orders", Version: "7", First: minute, Last: minute, Events: 100, Invalid: 3}, {Hop: "agent", First: minute, Last: minute, Events: 5, Other: 2}}
		}
		answer(w, http.StatusOK, page)
	}})
	got := run(t, s, "schemas", "orders", "--hop", "agent")
	row := "2026-11-22T05:09:00Z  agent      100        3            0        0           0  /amount: expected number (2)  99.99 % delivered, 3 % break version 7, all from web-17\n"
	want := "START                 HOP    CHECKED  INVALID  UNDECODABLE  UNKNOWN  DEPRECATED  TOP REASON                    IN WORDS\n" + row + row +
		"\nHOP    SCHEMA    VERSION  FIRST SEEN            LAST SEEN             CHECKED  INVALID\n" +
		"agent  orders    7        2026-11-22T05:09:00Z  2026-11-22T05:09:00Z      100        3\n" +
		"agent  2 others           2026-11-22T05:09:00Z  2026-11-22T05:09:00Z        5        0\n"
	if diff := cmp.Diff(want, got.out); diff != "" || got.code != Bad {
		t.Errorf("exit code %d\n%s", got.code, diff)
	}
	if diff := cmp.Diff([]string{"agent ", "agent next"}, asked); diff != "" {
		t.Error(diff)
	}
	got = run(t, s, "--output", "json", "schemas", "orders")
	var all api.Schemas
	if err := json.Unmarshal([]byte(got.out), &all); err != nil || len(all.Items) != 2 || len(all.Versions) != 2 || got.code != Bad {
		t.Errorf("exit code %d, %v: %s", got.code, err, got.out)
	}
}

func TestSchemasThatHoldAreAGoodAnswer(t *testing.T) {
	good := brokenWindow()
	good.Invalid = 0
	for _, c := range []struct {
		items []api.SchemaWindow
		want  int
	}{{nil, Good}, {[]api.SchemaWindow{good}, Good}} {
		s := server(t, map[string]http.HandlerFunc{"GET /streams/orders/schemas": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, api.Schemas{Items: c.items})
		}})
		if got := run(t, s, "schemas", "orders"); got.code != c.want {
			t.Errorf("exit code %d: %s", got.code, got.out)
		}
	}
}

func TestSamplesAreABadAnswerAndShownAsMasked(t *testing.T) {
	var asked string
	sample := api.Sample{
		Stream: "orders", Hop: "agent", Host: "web-17", Window: minute, UID: "order-1", Schema: "orders", Version: "7", Outcome: "INVALID",
		Reason: "/amount: expected number", Payload: `{"amount":"<string 4>"}`, Cut: true,
	}
	s := server(t, map[string]http.HandlerFunc{"GET /streams/orders/samples": func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		asked = q.Get("hop") + " " + q.Get("schema") + " " + q.Get("version") + " " + q.Get("reason")
		pages(sample)(w, r)
	}})
	got := run(t, s, "samples", "orders", "--hop", "agent", "--schema", "orders", "--schema-version", "7", "--reason", "/x")
	want := "WINDOW                HOP    SCHEMA  VERSION  OUTCOME  REASON                    UID      HOST    PAYLOAD, MASKED\n" +
		"2026-11-22T05:09:00Z  agent  orders  7        INVALID  /amount: expected number  order-1  web-17  {\"amount\":\"<string 4>\"} …\n"
	if diff := cmp.Diff(want, got.out); diff != "" || got.code != Bad {
		t.Errorf("exit code %d\n%s", got.code, diff)
	}
	if asked != "agent orders 7 /x" {
		t.Errorf("asked for %q", asked)
	}
	none := run(t, server(t, map[string]http.HandlerFunc{"GET /streams/orders/samples": pages[api.Sample]()}), "samples", "orders")
	if none.code != Good || none.out != "No sample of orders in that time.\n" {
		t.Errorf("exit code %d: %q", none.code, none.out)
	}
}
