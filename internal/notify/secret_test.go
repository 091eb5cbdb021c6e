package notify

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/internal/store"
)

func TestASecretIsInNoLogNoErrorAndNothingStored(t *testing.T) {
	const part = "XyZplantedXyZ"
	echo := newReceiver(t, nil).answering(func(w http.ResponseWriter, q *http.Request, body []byte) { // whoever is called repeats what it was sent
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "cannot %s for %s", q.URL, body)
	})
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	t.Setenv("ROLLCALL_TEST_BEAT", echo.URL+"/ping/"+part)
	key := part + strings.Repeat("k", 32-len(part))
	for _, r := range []Receiver{
		{Name: "slack", Type: Slack, SecretFile: secretFile(t, echo.URL+"/services/T1/"+part), AllowPrivate: true},
		{Name: "slackgone", Type: Slack, SecretFile: secretFile(t, gone.URL+"/services/T1/"+part), AllowPrivate: true},
		{Name: "pager", Type: PagerDuty, URL: echo.URL, SecretFile: secretFile(t, key), AllowPrivate: true},
		{Name: "beat", Type: Heartbeat, SecretVariable: "ROLLCALL_TEST_BEAT", AllowPrivate: true},
		{Name: "beatquery", Type: Heartbeat, SecretFile: secretFile(t, gone.URL+"/?token="+part), AllowPrivate: true},
	} {
		t.Run(r.Name, func(t *testing.T) {
			s := newScene(t)
			var logged bytes.Buffer
			n, err := New(Deps{Store: s.store, Shares: s.claim(), Registry: prometheus.NewRegistry(), Log: slog.New(slog.NewJSONHandler(&locked{w: &logged}, &slog.HandlerOptions{Level: slog.LevelDebug}))},
				Config{Receivers: []Receiver{r}, Every: 10 * time.Millisecond, Hold: -1, First: time.Millisecond, Most: time.Millisecond, Patience: 50 * time.Millisecond, Look: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			s.last = n
			n.Start(t.Context())
			if r.Type == Heartbeat {
				s.until("an attempt", func() bool { return counterOf(t, n.beats, r.Name, retried) >= 1 })
			} else {
				s.until("it to be given up", func() bool { return s.counted(r.Name, gaveUp) >= 1 })
			}
			if err := n.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			told, err := s.store.ToldOf(t.Context(), loss().ID)
			if err != nil {
				t.Fatal(err)
			}
			_, tested := Test(t.Context(), r, five)
			if tested == nil || logged.Len() == 0 {
				t.Fatalf("nothing is said: %v", tested)
			}
			for what, text := range map[string]string{"log": logged.String(), "store": detailsOf(told), "notify test": tested.Error()} {
				if strings.Contains(text, part) {
					t.Errorf("the %s holds the secret: %s", what, text)
				}
			}
		})
	}
}

func detailsOf(told []store.Told) string { return fmt.Sprintf("%+v", told) }

func TestAReceiverThatIsNotWellGivenIsRefusedWithWordsThatDoNotRepeatItsSecret(t *testing.T) {
	const part = "XyZplantedXyZ"
	url, key := secretFile(t, "https://hooks.slack.com/services/"+part), secretFile(t, "a-key-with-"+part)
	ca := secretFile(t, "no certificate")
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, bytes.Repeat([]byte("x"), longestSecret+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, r := range map[string]Receiver{
		"the url of a slack receiver is a secret":        {Type: Slack, URL: "https://hooks.slack.com/services/" + part},
		"it names where the address of an incoming":      {Type: Slack},
		"it names where the routing key":                 {Type: PagerDuty},
		"32 letters and digits":                          {Type: PagerDuty, SecretFile: key},
		"what the secret file":                           {Type: Slack, SecretFile: key},
		"the variable ROLLCALL_NOT_THERE is not set":     {Type: PagerDuty, SecretVariable: "ROLLCALL_NOT_THERE"},
		"secretFile and secretVariable are both given":   {Type: PagerDuty, SecretFile: key, SecretVariable: "X"},
		"url and secret are both given":                  {Type: Heartbeat, URL: "https://beat.example", SecretFile: url},
		"the url is not an address":                      {Type: Heartbeat},
		"a secret is not sent over http":                 {Type: Slack, SecretFile: secretFile(t, "http://hooks.example/"+part)},
		"holds no certificate":                           {Type: Heartbeat, URL: "https://beat.example", CAFile: ca},
		"the limit of a secret":                          {Type: Webhook, URL: "https://a.example", SecretFile: long},
		"webhook, alertmanager, slack, pagerduty, heart": {Type: "pager", URL: "https://a.example"},
	} {
		r.Name = "oncall"
		err := Config{Receivers: []Receiver{r}}.Check()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "notify: receiver oncall: ") {
			t.Errorf("%s: %v", want, err)
		}
		if err != nil && strings.Contains(err.Error(), part) {
			t.Errorf("%s: it repeats the secret: %v", want, err)
		}
	}
	if err := (Config{Page: "rollcall.example"}).Check(); err == nil || !strings.Contains(err.Error(), "page is not an address") {
		t.Errorf("page: %v", err)
	}
	good := Config{Page: "https://rollcall.example", Receivers: []Receiver{
		{Name: "a", Type: Slack, SecretFile: url}, {Name: "b", Type: PagerDuty, SecretFile: secretFile(t, routing)},
		{Name: "c", Type: Heartbeat, URL: "https://beat.example/x"},
	}}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

func TestAHeartbeatHeedsTheRulesOfDialling(t *testing.T) {
	inside := newReceiver(t, nil)
	if _, err := Test(t.Context(), Receiver{Name: "beat", Type: Heartbeat, URL: inside.URL}, five); err == nil || !strings.Contains(err.Error(), ErrForbidden.Error()) || len(inside.all()) > 0 {
		t.Errorf("%v, %d calls", err, len(inside.all()))
	}
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { _, _ = io.WriteString(w, "OK") }))
	defer secure.Close()
	if _, err := Test(t.Context(), Receiver{Name: "beat", Type: Heartbeat, URL: secure.URL, AllowPrivate: true}, five); err == nil {
		t.Error("a certificate that nobody trusts is trusted")
	}
	if came, err := Test(t.Context(), Receiver{Name: "beat", Type: Heartbeat, URL: secure.URL, CAFile: caOf(t, secure), AllowPrivate: true}, five); err != nil || came != "200 OK" {
		t.Errorf("%q, %v", came, err)
	}
}

func TestATestOfPagerDutyLeavesNothingOpen(t *testing.T) {
	r := newPagerDuty(t)
	came, err := Test(t.Context(), pagerAt(t, r.URL), five)
	if err != nil || came != "202 Accepted" {
		t.Fatalf("%q, %v", came, err)
	}
	seen := r.all()
	if len(seen) != 2 || !strings.Contains(string(seen[0].body), `"severity":"info"`) || !strings.Contains(string(seen[1].body), `"resolve"`) {
		t.Errorf("%d calls, the last %s", len(seen), seen[len(seen)-1].body)
	}
}
