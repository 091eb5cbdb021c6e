package notify

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

var update = flag.Bool("update", false, "write the golden files")

// routing is a routing key of the right shape.
const routing = "0123456789abcdefABCDEF0123456789"

// secretFile returns the path of a file that holds text.
func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// golden compares JSON with a file.
func golden(t *testing.T, name string, body []byte) {
	t.Helper()
	var shape any
	if err := json.Unmarshal(body, &shape); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	got, err := json.MarshalIndent(shape, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got)+"\n" != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

// newSlack answers as Slack's incoming webhooks do: ok, or in one word what it cannot take.
func newSlack(t *testing.T) *receiver {
	return newReceiver(t, nil).answering(func(w http.ResponseWriter, q *http.Request, body []byte) {
		var m struct {
			Text   string
			Blocks []struct {
				Type     string
				Text     *struct{ Type, Text string }
				Elements []struct{ Type, Text string }
			}
		}
		switch err := json.Unmarshal(body, &m); {
		case q.Method != http.MethodPost || q.Header.Get("Content-Type") != "application/json" || err != nil:
			http.Error(w, "invalid_payload", http.StatusBadRequest)
			return
		case m.Text == "":
			http.Error(w, "no_text", http.StatusBadRequest)
			return
		}
		for _, b := range m.Blocks {
			section := b.Type == "section" && b.Text != nil && len(b.Text.Text) > 0 && len(b.Text.Text) <= 3000
			context := b.Type == "context" && len(b.Elements) > 0 && len(b.Elements) <= 10
			if !section && !context {
				http.Error(w, "invalid_blocks", http.StatusBadRequest)
				return
			}
		}
		fmt.Fprint(w, "ok")
	})
}

// newPagerDuty answers as the Events API v2 does.
func newPagerDuty(t *testing.T) *receiver {
	return newReceiver(t, nil).answering(func(w http.ResponseWriter, _ *http.Request, body []byte) {
		var e struct {
			RoutingKey  string `json:"routing_key"`
			EventAction string `json:"event_action"`
			DedupKey    string `json:"dedup_key"`
			Payload     *struct{ Summary, Source, Severity string }
			Links       []struct{ Href, Text string }
		}
		fault := ""
		switch err := json.Unmarshal(body, &e); {
		case err != nil:
			fault = "no JSON"
		case len(e.RoutingKey) != 32:
			fault = "Length of 'routing_key' is incorrect (should be 32 characters)"
		case e.DedupKey == "" || len(e.DedupKey) > 255:
			fault = "'dedup_key' is invalid"
		case e.EventAction == "trigger" && (e.Payload == nil || e.Payload.Summary == "" || len(e.Payload.Summary) > 1024 || e.Payload.Source == "" ||
			!regexp.MustCompile(`^(critical|error|warning|info)$`).MatchString(e.Payload.Severity)):
			fault = "'payload' is invalid"
		case !regexp.MustCompile(`^(trigger|acknowledge|resolve)$`).MatchString(e.EventAction):
			fault = "'event_action' is invalid"
		}
		if fault != "" {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": []string{fault}})
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "message": "Event processed", "dedup_key": e.DedupKey})
	})
}

func slackAt(t *testing.T, url string) Receiver {
	return Receiver{Name: "slack", Type: Slack, SecretFile: secretFile(t, url+"/services/T0000/B0000/verysecretpart"), AllowPrivate: true}
}

func pagerAt(t *testing.T, url string) Receiver {
	return Receiver{Name: "pager", Type: PagerDuty, URL: url + "/v2/enqueue", SecretFile: secretFile(t, routing), AllowPrivate: true}
}

func TestSlackIsToldOfALossAndOfItsEndInTheFormItTakes(t *testing.T) {
	s, r := newScene(t), newSlack(t)
	s.start(nil, slackAt(t, r.URL))
	s.until("the first call", func() bool { return s.counted("slack", sent) == 1 })
	s.put(done())
	s.until("the second call", func() bool { return s.counted("slack", sent) == 2 })
	seen := r.all()
	if len(seen) != 2 || seen[0].path != "/services/T0000/B0000/verysecretpart" {
		t.Fatalf("%d calls, the first of %s", len(seen), seen[0].path)
	}
	golden(t, "slack_open", seen[0].body)
	golden(t, "slack_resolved", seen[1].body)
}

func TestPagerDutyIsToldOfALossOfWhoLooksAtItAndOfItsEnd(t *testing.T) {
	s, r := newScene(t), newPagerDuty(t)
	s.start(nil, pagerAt(t, r.URL))
	s.until("the trigger", func() bool { return s.counted("pager", sent) == 1 })
	s.idle()
	if n := len(r.all()); n != 1 {
		t.Fatalf("%d calls before anybody looked at it", n)
	}
	if err := s.store.AddAck(t.Context(), store.Ack{Incident: loss().ID, Version: loss().Version, At: time.Now(), Who: "ada"}); err != nil {
		t.Fatal(err)
	}
	s.until("the acknowledgement", func() bool { return s.counted("pager", sent) == 2 })
	s.idle()
	s.put(done())
	s.until("the end", func() bool { return s.counted("pager", sent) == 3 })
	s.idle()
	seen := r.all()
	if len(seen) != 3 {
		t.Fatalf("%d calls, want 3", len(seen))
	}
	golden(t, "pagerduty_trigger", seen[0].body)
	golden(t, "pagerduty_acknowledge", seen[1].body)
	golden(t, "pagerduty_resolve", seen[2].body)
}

func TestAnAcknowledgementFromBeforeTheIncidentOpenedAgainIsNotPassedOn(t *testing.T) {
	s, r := newScene(t), newPagerDuty(t)
	s.start(nil, pagerAt(t, r.URL))
	s.until("the trigger", func() bool { return s.counted("pager", sent) == 1 })
	s.put(done())
	s.until("the end", func() bool { return s.counted("pager", sent) == 2 })
	if err := s.store.AddAck(t.Context(), store.Ack{Incident: loss().ID, Version: loss().Version, At: time.Now(), Who: "ada"}); err != nil {
		t.Fatal(err)
	}
	again := loss()
	again.Version = 3
	s.put(again)
	s.until("the second trigger", func() bool { return s.counted("pager", sent) == 3 })
	s.idle()
	if n := len(r.all()); n != 3 {
		t.Errorf("%d calls", n)
	}
}

func TestWhatCallsItselfAnythingBreaksOutOfNoMessage(t *testing.T) {
	const evil = "<!channel> & <https://evil.example|click>\n*web*`17`"
	m := message{incident: loss(), state: store.IncidentOpen, clue: clue{host: evil}, page: "https://rollcall.example"}
	m.incident.Text = "[LOSS] <@U1234> @here"
	body, err := m.slack()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "slack_hostile", body)
	var shape struct {
		Text   string
		Mrkdwn *bool
		Blocks []struct{ Text *struct{ Type, Text string } }
	}
	if err := json.Unmarshal(body, &shape); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{shape.Text, shape.Blocks[0].Text.Text} {
		if strings.ContainsAny(text, "<>\n") || strings.Contains(text, "& ") {
			t.Errorf("not escaped: %s", text)
		}
	}
	if shape.Blocks[0].Text.Type != "plain_text" || shape.Mrkdwn == nil || *shape.Mrkdwn {
		t.Errorf("what others made up is formatted: %s", body)
	}
	m.host = strings.Repeat("&", 5000)
	if body, err = m.slack(); err != nil || len(slackText(m.text())) > 3000 {
		t.Errorf("%d bytes of text, %v", len(slackText(m.text())), err)
	}
	m.host = strings.Repeat("é", 5000)
	if payload := m.pagerDutyPayload(); len([]rune(payload["summary"].(string))) != summaryLimit {
		t.Errorf("a summary of %d characters", len([]rune(payload["summary"].(string))))
	}
	if !json.Valid(body) {
		t.Error("no JSON")
	}
}

func TestWhatTheServicesDoNotTakeIsTriedAgainOrGivenUpAsTheySay(t *testing.T) {
	for name, c := range map[string]struct {
		of      func(*testing.T, string) Receiver
		status  int
		body    string
		outcome string
	}{
		"slack, a 400":                   {slackAt, 400, "invalid_payload", gaveUp},
		"slack, gone":                    {slackAt, 410, "channel_is_archived", retried},
		"slack, 200 but not ok":          {slackAt, 200, "<html>log in</html>", retried},
		"slack, a failure of its own":    {slackAt, 500, "rollup_error", retried},
		"pagerduty, a 400":               {pagerAt, 400, `{"status":"invalid event","errors":["bad"]}`, gaveUp},
		"pagerduty, a 429":               {pagerAt, 429, "", retried},
		"pagerduty, a 503":               {pagerAt, 503, "", retried},
		"pagerduty, 200 and not 202":     {pagerAt, 200, "welcome", retried},
		"slack, an answer without end":   {slackAt, 200, strings.Repeat("ok ", 1<<20), retried},
		"pagerduty, a 400 without words": {pagerAt, 400, "", gaveUp},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status); fmt.Fprint(w, c.body) })
			of := c.of(t, r.URL)
			s.start(nil, of)
			s.until(c.outcome, func() bool { return s.counted(of.Name, c.outcome) >= 1 })
			if c.outcome != gaveUp {
				return
			}
			var told []store.Told
			s.until("it to be stored", func() bool { told, _ = s.store.ToldOf(t.Context(), loss().ID); return len(told) == 1 })
			if told[0].Outcome != gaveUp || told[0].Attempts != 1 || !strings.Contains(told[0].Detail, "400") || c.body == "invalid_payload" && !strings.Contains(told[0].Detail, c.body) {
				t.Errorf("%+v", told[0])
			}
		})
	}
}

func TestAReceiverThatAsksToBeLeftAloneIsLeftAloneWithEverything(t *testing.T) {
	s := newScene(t)
	second := loss()
	second.ID, second.First = wire.UID{15: 2}, five.Add(time.Hour)
	second.Last, second.FirstBad = second.First, second.First
	s.put(second)
	var busy atomic.Bool
	busy.Store(true)
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if busy.Swap(false) {
			w.Header().Set("Retry-After", "2")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		fmt.Fprint(w, "ok")
	})
	begun := time.Now()
	s.start(nil, slackAt(t, r.URL))
	s.until("the refused call", func() bool { return s.counted("slack", retried) >= 1 })
	third := second
	third.ID, third.First, third.Last, third.FirstBad = wire.UID{15: 3}, five.Add(2*time.Hour), five.Add(2*time.Hour), five.Add(2*time.Hour)
	s.put(third)
	s.idle()
	if n := len(r.all()); n > 2 { // the first two may have gone out together
		t.Errorf("%d calls in the time it asked for", n)
	}
	s.until("all calls", func() bool { return s.counted("slack", sent) == 3 })
	if took := time.Since(begun); took < 2*time.Second {
		t.Errorf("called again after %s", took)
	}
}

func TestRetryAfterIsReadAsSecondsOrADateAndNeverTooLong(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, "-1": 0, "soon": 0, "999999999": longestWait, "99999999999999999999": 0,
		five.Add(time.Minute).Format(http.TimeFormat): time.Minute, five.Add(-time.Minute).Format(http.TimeFormat): 0,
		five.Add(1000 * time.Hour).Format(http.TimeFormat): longestWait,
	} {
		if got := retryAfter(value, five); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestAServiceThatHangsOrPoursHoldsUpNoOther(t *testing.T) {
	s := newScene(t)
	var wrote atomic.Int64
	pours := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		junk := make([]byte, 64<<10)
		for range 1600 { // 100 MB, if somebody reads it
			n, err := w.Write(junk)
			if wrote.Add(int64(n)); err != nil {
				return
			}
		}
	})
	reached := make(chan struct{}, 100)
	hangs := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) { reached <- struct{}{}; <-r.Context().Done() })
	good := newReceiver(t, nil)
	stop := s.start(func(c *Config) { c.Timeout = time.Hour }, slackAt(t, hangs.URL), pagerAt(t, pours.URL),
		Receiver{Name: "good", Type: Webhook, URL: good.URL, AllowPrivate: true})
	<-reached
	s.until("the others' calls", func() bool { return s.counted("good", sent) == 1 && s.counted("pager", sent) == 1 })
	stop()
	if n := wrote.Load(); n > 32<<20 {
		t.Errorf("%d bytes of an answer were taken", n)
	}
	if s.counted("slack", sent)+s.counted("slack", gaveUp) > 0 {
		t.Error("the one that hangs counts as told")
	}
}
