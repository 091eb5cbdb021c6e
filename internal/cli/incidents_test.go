package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/inspector/api"
)

const incidentID = "5f0a1cf0-2b5e-5d0e-9d3c-000000000001"

func openIncident() api.Incident {
	return api.Incident{
		ID: incidentID, Stream: "orders", Edge: "app..agent", Cause: "loss", State: "open", First: minute, Last: minute, Windows: 1, Bad: 1, FirstBad: minute,
		Lost: 3, Expected: 100, OpenedAt: minute, Since: minute, Text: "[LOSS] orders app..agent 05:09Z: 3 of 100 missing", Muted: true,
	}
}

func TestIncidentsThatAreOpenAreABadAnswer(t *testing.T) {
	var asked string
	s := server(t, map[string]http.HandlerFunc{"GET /incidents": func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Get("stream") + " " + r.URL.Query().Get("state")
		pages(openIncident())(w, r)
	}})
	got := run(t, s, "incidents", "--stream", "orders")
	want := "ID                                    STATE        SINCE                 WINDOWS  BAD  LOOKED AFTER BY  WHAT\n" +
		incidentID + "  open, muted  2026-11-22T05:09:00Z        1    1  -                [LOSS] orders app..agent 05:09Z: 3 of 100 missing\n"
	if diff := cmp.Diff(want, got.out); diff != "" || got.code != Bad {
		t.Errorf("exit code %d\n%s", got.code, diff)
	}
	if asked != "orders open" {
		t.Errorf("asked for %q", asked)
	}
	got = run(t, s, "--output", "json", "incidents", "--state", "all")
	var list api.Page[api.Incident]
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list.Items) != 1 || asked != " " {
		t.Errorf("%v, asked for %q: %s", err, asked, got.out)
	}
}

func TestOneIncidentIsShownWithItsHintsItsReachAndWhatHappened(t *testing.T) {
	detail := api.IncidentDetail{
		Incident: openIncident(), Hours: []string{"2026-11-22T05"}, Hops: []string{"sink"},
		Hints:    []api.Hint{{Kind: "host", Name: "web-17", Evidence: "3 of 3 lost events have their source on web-17, which made 4 % of the windows' events"}},
		Timeline: []api.IncidentStep{{At: minute, What: "opened"}, {At: minute, What: "muted", Who: "ada", Text: "until 06:00: planned work"}},
	}
	s := server(t, map[string]http.HandlerFunc{"GET /incidents/" + incidentID: func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, detail) }})
	got := run(t, s, "incidents", incidentID)
	want := "[LOSS] orders app..agent 05:09Z: 3 of 100 missing\n" +
		"open since 2026-11-22T05:09:00Z; 1 of 1 windows are bad\n" +
		"muted: nobody is called\n" +
		"hint: 3 of 3 lost events have their source on web-17, which made 4 % of the windows' events\n" +
		"hours: 2026-11-22T05\n" +
		"later hops: sink\n" +
		"AT                    WHAT    WHO  TEXT\n" +
		"2026-11-22T05:09:00Z  opened  -    -\n" +
		"2026-11-22T05:09:00Z  muted   ada  until 06:00: planned work\n"
	if diff := cmp.Diff(want, got.out); diff != "" || got.code != Bad {
		t.Errorf("exit code %d\n%s", got.code, diff)
	}
	if got := run(t, s, "--output", "json", "incidents", incidentID); got.code != Bad || !strings.Contains(got.out, `"evidence"`) {
		t.Errorf("as JSON: exit code %d: %s", got.code, got.out)
	}
}

func TestACertificateTakenBackIsShownWithItsHour(t *testing.T) {
	i := openIncident()
	i.Edge, i.Cause, i.Lost, i.Muted = "", "revoked", 0, false
	i.Text = "[REVOKED] orders hour 2026-11-22T05: certificate taken back by entry 12: 3 lost"
	detail := api.IncidentDetail{Incident: i, Hours: []string{"2026-11-22T05"}, Timeline: []api.IncidentStep{{At: minute, What: "opened"}}}
	s := server(t, map[string]http.HandlerFunc{"GET /incidents/" + incidentID: func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, detail) }})
	got := run(t, s, "incidents", incidentID)
	want := i.Text + "\nopen since 2026-11-22T05:09:00Z\nhours: 2026-11-22T05\nAT                    WHAT    WHO  TEXT\n2026-11-22T05:09:00Z  opened  -    -\n"
	if diff := cmp.Diff(want, got.out); diff != "" || got.code != Bad {
		t.Errorf("exit code %d\n%s", got.code, diff)
	}
}

func TestNoIncidentIsAGoodAnswer(t *testing.T) {
	got := run(t, server(t, map[string]http.HandlerFunc{"GET /incidents": pages[api.Incident]()}), "incidents")
	if got.code != Good || got.out != "No incident.\n" {
		t.Errorf("exit code %d: %q", got.code, got.out)
	}
}

func TestAckSaysWhoLooksAfterIt(t *testing.T) {
	var asked api.AckRequest
	s := server(t, map[string]http.HandlerFunc{"POST /incidents/" + incidentID + "/ack": func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewDecoder(r.Body).Decode(&asked)
		i := openIncident()
		i.AckedBy = "ada"
		answer(w, http.StatusOK, i)
	}})
	got := run(t, s, "ack", incidentID, "--note", "on it")
	if got.code != Good || asked.Note != "on it" || !strings.HasPrefix(got.out, "ada looks after it: [LOSS]") {
		t.Errorf("exit code %d, note %q: %s", got.code, asked.Note, got.out)
	}
	none := run(t, server(t, map[string]http.HandlerFunc{"POST /incidents/{id}/ack": problem(http.StatusNotFound, "no incident")}), "ack", incidentID)
	if none.code != WrongUse {
		t.Errorf("exit code %d for an incident that is not there", none.code)
	}
}

func TestSilencesAreMadeListedAndEnded(t *testing.T) {
	var asked api.SilenceRequest
	kept := api.Silence{ID: incidentID, Stream: "orders", Edge: "app..agent", Start: minute, End: minute.Add(time.Hour), Author: "ada", Reason: "planned work"}
	s := server(t, map[string]http.HandlerFunc{
		"POST /silences": func(w http.ResponseWriter, r *http.Request) {
			_ = json.NewDecoder(r.Body).Decode(&asked)
			answer(w, http.StatusOK, kept)
		},
		"GET /silences":                  pages(kept),
		"DELETE /silences/" + incidentID: func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, kept) },
	})
	got := run(t, s, "silence", "add", "--stream", "orders", "--edge", "app..agent", "--from", "2026-11-22T05:00:00Z", "--for", "2h", "--reason", "planned work")
	if got.code != Good || !strings.Contains(got.out, "nobody is called of orders app..agent until 2026-11-22T06:09:00Z") {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.failed)
	}
	if asked.End == nil || !asked.End.Equal(time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)) || asked.Reason != "planned work" || asked.Edge != "app..agent" {
		t.Errorf("asked for %+v", asked)
	}
	if got := run(t, s, "silence", "list"); got.code != Good || !strings.Contains(got.out, "orders app..agent  2026-11-22T05:09:00Z  2026-11-22T06:09:00Z  ada  planned work") {
		t.Errorf("exit code %d: %s", got.code, got.out)
	}
	if got := run(t, s, "silence", "end", incidentID); got.code != Good || !strings.Contains(got.out, "has ended") {
		t.Errorf("exit code %d: %s", got.code, got.out)
	}
	for _, args := range [][]string{{"--reason", "x"}, {"--for", "2h"}, {"--reason", "x", "--for", "2h", "--until", "2026-11-22T06:00:00Z"}} {
		if got := run(t, s, append([]string{"silence", "add"}, args...)...); got.code != WrongUse {
			t.Errorf("%v: exit code %d", args, got.code)
		}
	}
}

const notifyConfig = `
listen: 127.0.0.1:0
notify:
  page: https://rollcall.example
  hold: 1m
  calm: 10m
  unacked: -1s
  worse: 5
  receivers:
    - {name: oncall, type: webhook, url: "https://hooks.example/in", secretFile: /s, allowPrivate: true}
    - {name: am, type: alertmanager, url: "https://am.example"}
`

func TestConfigurationFileGivesReceivers(t *testing.T) {
	given, got := serveWith(t, notifyConfig)
	want := Notify{Page: "https://rollcall.example", Hold: time.Minute, Calm: 10 * time.Minute, Unacked: -time.Second, Worse: 5, Receivers: []Receiver{
		{Name: "oncall", Type: "webhook", URL: "https://hooks.example/in", SecretFile: "/s", AllowPrivate: true},
		{Name: "am", Type: "alertmanager", URL: "https://am.example"},
	}}
	if diff := cmp.Diff(want, given.Notify); diff != "" || got.code != Good {
		t.Errorf("exit code %d: %s\n%s", got.code, got.failed, diff)
	}
	if _, got := serveWith(t, "notify:\n  receivers:\n    - {name: a, kind: webhook}\n"); got.code != WrongUse || !strings.Contains(got.failed, `unknown field "kind"`) {
		t.Errorf("exit code %d: %s", got.code, got.failed)
	}
}

func TestNotifyTestSaysWhatCameBackOfEachReceiver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollcall.yaml")
	if err := os.WriteFile(path, []byte(notifyConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	env := Env{NotifyTest: func(_ context.Context, r Receiver) (string, error) {
		if r.Name == "am" {
			return "", errors.New("it answers 500")
		}
		return "204 No Content", nil
	}}
	got := runWith(t, env, "", "notify", "test", "--config", path)
	want := "RECEIVER  TYPE          TOOK IT  WHAT CAME BACK\noncall    webhook       yes      204 No Content\nam        alertmanager  no       it answers 500\n"
	if diff := cmp.Diff(want, got.out); diff != "" || got.code != Bad {
		t.Errorf("exit code %d: %s\n%s", got.code, got.failed, diff)
	}
	got = runWith(t, env, "", "--output", "json", "notify", "test", "oncall", "--config", path)
	if got.code != Good || strings.Contains(got.out, "hooks.example") || !strings.Contains(got.out, `"answer": "204 No Content"`) {
		t.Errorf("exit code %d: %s", got.code, got.out)
	}
	if got := runWith(t, env, "", "notify", "test", "nobody", "--config", path); got.code != WrongUse {
		t.Errorf("exit code %d for a receiver that is not there", got.code)
	}
}
