package app

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/rollcallhq/rollcall/ingest"
	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/store"
)

// checked are the reports of an app that produced ten events on web-17 and of a sink that took all over and found two of them invalid.
func checked(start, now time.Time) string {
	tallies := `{"id":"orders","version":"7","outcome":"OK","count":8},{"id":"orders","version":"7","outcome":"INVALID","reason":"/amount: expected number","count":2}`
	return reports(
		start,
		said{hop: "app", emitter: "1", host: "web-17", seen: "[0,9]", at: now.Add(-20 * time.Second)},
		said{hop: "sink", after: "app", emitter: "2", host: "lake-1", seen: "[0,9]", source: `,"invalid":{"ranges":[[3,4]]}`, window: `,"schemas":[` + tallies + `]`, at: now.Add(-10 * time.Second)},
	)
}

func sample(start time.Time, number int) string {
	return fmt.Sprintf(`{"samples":[{"stream":"orders","hop":"sink","emitter":"0199f0a0-1d2e-4abc-9def-000000000002","host":"lake-1","window":%q,"seconds":60,"at":%q,`+
		`"uid":"0199f09c-1d2e-8abc-9def-01230000000%d","schema":"orders","version":"7","outcome":"INVALID","reason":"/amount: expected number","path":"/amount","payload":"{\"amount\":\"<string 4>\"}"}]}`,
		start.Format(time.RFC3339), start.Format(time.RFC3339), number)
}

func TestWhatBreaksASchemaIsToldBesideCompletenessWithSamplesFromHTTPAndKafka(t *testing.T) {
	a := serving(t)
	now := time.Now().UTC()
	start := now.Add(-10 * time.Minute).Truncate(time.Minute)
	post(t, a, "/reports", checked(start, now))
	post(t, a, "/samples", sample(start, 3))
	produceSample(t, a.Brokers(), sample(start, 4))
	want := "100 % delivered (10 of 10), 20 % break version 7 (2 of 10), all from web-17"
	var schemas api.Schemas
	until(t, "the window is judged", func() bool {
		ask(t, a, "/api/v1/streams/orders/schemas", &schemas)
		return len(schemas.Items) == 1 && len(schemas.Items[0].Edges) == 1 && schemas.Items[0].Edges[0].State == "complete"
	})
	if got := schemas.Items[0]; got.Sentence != want || got.Hop != "sink" || got.InvalidShare != 0.2 || len(got.Emitters) != 1 || got.Emitters[0] != (api.HostCount{Host: "lake-1", Events: 2}) {
		t.Errorf("%+v", got)
	}
	if v := schemas.Versions; len(v) != 1 || v[0].Version != "7" || !v[0].First.Equal(start) || v[0].Events != 10 || v[0].Invalid != 2 {
		t.Errorf("versions %+v", v)
	}
	var window api.WindowDetail
	if ask(t, a, "/api/v1/streams/orders/windows/"+start.Format(time.RFC3339), &window); window.Sentence != want {
		t.Errorf("the window says %q", window.Sentence)
	}
	var samples api.Page[api.Sample]
	until(t, "both samples are stored", func() bool {
		ask(t, a, "/api/v1/streams/orders/samples?hop=sink&schema=orders&version=7", &samples)
		return len(samples.Items) == 2
	})
	if got := samples.Items[1]; !strings.HasSuffix(got.UID, "4") || got.Payload != `{"amount":"<string 4>"}` || got.Host != "lake-1" {
		t.Errorf("%+v", got)
	}
	answer, err := http.Post(a.URL()+"/api/v1/samples?backfill=true", "application/json", strings.NewReader(sample(start, 5)))
	if err != nil {
		t.Fatal(err)
	}
	if _ = answer.Body.Close(); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("an unknown parameter is answered %d", answer.StatusCode)
	}
}

func produceSample(t *testing.T, brokers []string, body string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(ingest.SamplesTopic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := client.ProduceSync(ctx, &kgo.Record{Key: []byte("orders"), Value: []byte(body)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestTermsThatWouldForgeAreRefusedBeforeAnythingIsStarted(t *testing.T) {
	err := (Config{Listen: "127.0.0.1:0", Retention: store.Retention{EvidenceDays: 31}}).Check()
	if err == nil || !strings.Contains(err.Error(), "retention.evidenceDays: 31 is too short, give at least 32") {
		t.Errorf("31 days: %v", err)
	}
	if err := (Config{Listen: "127.0.0.1:0", Retention: store.Retention{EvidenceDays: 32}}).Check(); err != nil {
		t.Errorf("32 days: %v", err)
	}
}

func TestSamplesExpireWithinTenYears(t *testing.T) {
	for days, good := range map[int]bool{-1: false, 0: true, 1: true, 3650: true, 3651: false} {
		if err := (Config{Listen: "127.0.0.1:0", SamplesDays: days}).Check(); (err == nil) != good {
			t.Errorf("%d days: %v", days, err)
		}
	}
}
