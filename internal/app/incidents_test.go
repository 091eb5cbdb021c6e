package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/notify"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// lossy reports ten events of a window, all taken over by the app and those up to seen by the sink, both of which go on.
func lossy(start, now time.Time, seen, number int) string {
	report := func(hop, after, emitter, host string, number, last int, at time.Time) string {
		sent := at.Format(time.RFC3339)
		return fmt.Sprintf(`{"stream":"orders","hop":%q,"after":[%s],"emitter":"0199f0a0-1d2e-4abc-9def-00000000000%s","host":%q,"number":%d,"sentAt":%q,"state":"RUNNING",`+
			`"lanes":{"":%q},"windows":[{"start":%q,"seconds":60,"sources":[{"source":"0199f09c-1d2e-8abc-9def-012300000000","seen":{"ranges":[[0,%d]]}}]}]}`,
			hop, after, emitter, host, number, sent, sent, start.Format(time.RFC3339), last)
	}
	sink := report("sink", `"app"`, "2", "lake-1", number, seen, now.Add(time.Duration(number-10)*time.Second))
	if number > 1 {
		return `{"reports":[` + sink + `]}`
	}
	return `{"reports":[` + report("app", "", "1", "web-17", 1, 9, now.Add(-20*time.Second)) + "," + sink + `]}`
}

func TestALossCallsForHelpOnceAndItsFillingEndsIt(t *testing.T) {
	t.Setenv("ROLLCALL_LIBCHDB", testenv.Library(t))
	told := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var event struct{ Data struct{ Text string } }
		_ = json.Unmarshal(body, &event)
		told <- event.Data.Text
	}))
	defer hook.Close()
	a, err := Start(t.Context(), Config{
		Listen: "127.0.0.1:0", Data: t.TempDir(), Version: "test", Log: slog.New(slog.DiscardHandler),
		Notify: notify.Config{Hold: -1, Calm: -1, Receivers: []notify.Receiver{{Name: "oncall", Type: notify.Webhook, URL: hook.URL, AllowPrivate: true}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	now := time.Now().UTC()
	start := now.Add(-10 * time.Minute).Truncate(time.Minute)
	post(t, a, "/reports", lossy(start, now, 8, 1))
	since := start.Format(" since 15:04")
	if start.Minute() == 0 {
		since = ""
	}
	want := fmt.Sprintf("[LOSS] orders app→sink %s: 1 of 10 missing%s, last seen on web-17", start.Format("15:00Z"), since)
	if got := nextCall(t, told); got != want {
		t.Fatalf("told %q, want %q", got, want)
	}
	var list api.Page[api.Incident]
	ask(t, a, "/api/v1/incidents?state=open", &list)
	if len(list.Items) != 1 || list.Items[0].Lost != 1 || list.Items[0].Edge != "app..sink" {
		t.Fatalf("open: %+v", list.Items)
	}
	post(t, a, "/incidents/"+list.Items[0].ID+"/ack", `{"note":"on it"}`)
	silence := fmt.Sprintf(`{"stream":"other","edge":"a..b","end":%q,"reason":"planned work"}`, now.Add(time.Hour).Format(time.RFC3339))
	post(t, a, "/silences", silence)
	var silences api.Page[api.Silence]
	if ask(t, a, "/api/v1/silences", &silences); len(silences.Items) != 1 || silences.Items[0].Stream != "other" || silences.Items[0].Edge != "a..b" {
		t.Fatalf("silences: %+v", silences.Items)
	}
	post(t, a, "/reports", lossy(start, now, 9, 2))
	if got := nextCall(t, told); !strings.HasPrefix(got, "[RESOLVED] orders app→sink") {
		t.Fatalf("told %q", got)
	}
	var one api.IncidentDetail
	ask(t, a, "/api/v1/incidents/"+list.Items[0].ID, &one)
	if one.AckedBy != "local" || one.State != "resolved" || len(one.Verdicts) != 1 || one.Verdicts[0].State != "complete" {
		t.Fatalf("%+v", one)
	}
	if len(told) > 0 {
		t.Errorf("told more: %q", <-told)
	}
}

func nextCall(t *testing.T, told <-chan string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case text := <-told:
		return text
	case <-ctx.Done():
		t.Fatal("nobody was called")
		return ""
	}
}

func post(t *testing.T, a *App, path, body string) {
	t.Helper()
	answer, err := http.Post(a.URL()+"/api/v1"+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != 200 {
		t.Fatalf("%d %s", answer.StatusCode, text)
	}
}

func ask(t *testing.T, a *App, path string, into any) {
	t.Helper()
	answer, err := http.Get(a.URL() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil || answer.StatusCode != 200 {
		t.Fatalf("%s: %d, %v", path, answer.StatusCode, err)
	}
}
