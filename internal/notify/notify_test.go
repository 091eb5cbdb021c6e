package notify

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

func TestAWebhookIsToldOnceThatALossIsThereAndOnceThatItIsNot(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("sixteen bytes or more\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hook := Receiver{Name: "hook", Type: Webhook, URL: r.URL + "/in", SecretFile: secret, AllowPrivate: true}
	s.start(nil, hook)
	s.until("the first call", func() bool { return s.counted("hook", sent) == 1 })
	s.idle()
	s.put(done())
	s.until("the second call", func() bool { return s.counted("hook", sent) == 2 })
	s.idle()
	seen := r.all()
	if len(seen) != 2 {
		t.Fatalf("%d calls, want 2", len(seen))
	}
	var event struct {
		Specversion, ID, Source, Type, Subject, Datacontenttype string
		Data                                                    data
	}
	if err := json.Unmarshal(seen[0].body, &event); err != nil {
		t.Fatal(err)
	}
	if event.Specversion != "1.0" || event.Type != "io.rollcall.incident.open" || event.ID == "" || event.Source == "" || event.Datacontenttype != "application/json" {
		t.Errorf("no CloudEvent: %+v", event)
	}
	if want := "[LOSS] flights relay..sink 05:00Z: 312 of 4 200 000 missing, last seen on web-17"; event.Data.Text != want {
		t.Errorf("it says %q", event.Data.Text)
	}
	if want := "http://rollcall.example/w/flights/2026-11-22T05:00:00Z?edge=relay..sink"; event.Data.Link != want {
		t.Errorf("it links to %q", event.Data.Link)
	}
	h := seen[0].header
	if h.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" {
		t.Errorf("content type %q", h.Get("Content-Type"))
	}
	if want := "v1=" + Signature([]byte("sixteen bytes or more"), h.Get("Rollcall-Timestamp"), seen[0].body); h.Get("Rollcall-Signature") != want {
		t.Errorf("signature %q, want %q", h.Get("Rollcall-Signature"), want)
	}
	if !strings.Contains(string(seen[1].body), `"io.rollcall.incident.resolved"`) {
		t.Errorf("the second call says %s", seen[1].body)
	}
}

func TestWhatWasNotSentBeforeARestartIsSentAfterIt(t *testing.T) {
	s := newScene(t)
	broken := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	stop := s.start(nil, Receiver{Name: "hook", Type: Webhook, URL: broken.URL, AllowPrivate: true})
	s.until("three failures", func() bool { return s.counted("hook", retried) >= 3 })
	stop()
	good := newReceiver(t, nil)
	again := s.start(nil, Receiver{Name: "hook", Type: Webhook, URL: good.URL, AllowPrivate: true})
	s.until("the call", func() bool { return s.counted("hook", sent) == 1 })
	again()
	s.start(nil, Receiver{Name: "hook", Type: Webhook, URL: good.URL, AllowPrivate: true})
	s.idle()
	if n := len(good.all()); n != 1 {
		t.Fatalf("told %d times over another restart", n)
	}
}

func TestAReceiverThatHangsHoldsUpNoOtherAndStopEndsIt(t *testing.T) {
	s := newScene(t)
	reached := make(chan struct{}, 100)
	hanging := newReceiver(t, func(_ http.ResponseWriter, r *http.Request) { reached <- struct{}{}; <-r.Context().Done() })
	good := newReceiver(t, nil)
	stop := s.start(func(c *Config) { c.Timeout = time.Hour },
		Receiver{Name: "hangs", Type: Webhook, URL: hanging.URL, AllowPrivate: true}, Receiver{Name: "good", Type: Webhook, URL: good.URL, AllowPrivate: true})
	<-reached
	s.until("the other's call", func() bool { return s.counted("good", sent) == 1 })
	stop()
	if s.counted("hangs", sent)+s.counted("hangs", gaveUp) > 0 {
		t.Error("the receiver that hangs counts as told")
	}
}

func TestAnAttemptEndsWithinItsTime(t *testing.T) {
	s := newScene(t)
	dripping := newReceiver(t, func(w http.ResponseWriter, r *http.Request) {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for { // a byte now and then, so that no time between two bytes is long
			select {
			case <-r.Context().Done():
				return
			case <-tick.C:
				_, _ = w.Write([]byte("."))
				_ = http.NewResponseController(w).Flush()
			}
		}
	})
	s.start(func(c *Config) { c.Timeout = 200 * time.Millisecond }, Receiver{Name: "drips", Type: Webhook, URL: dripping.URL, AllowPrivate: true})
	s.until("two failures", func() bool { return s.counted("drips", retried) >= 2 })
}

func TestAnAnswerOfGarbageWithoutEndIsReadOnlyToItsLimit(t *testing.T) {
	s := newScene(t)
	var wrote atomic.Int64
	lying := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		junk := make([]byte, 64<<10)
		for range 10_000 { // 640 MB, if somebody reads it
			n, err := w.Write(junk)
			if wrote.Add(int64(n)); err != nil {
				return
			}
		}
	})
	s.start(nil, Receiver{Name: "lies", Type: Webhook, URL: lying.URL, AllowPrivate: true})
	s.until("the call", func() bool { return s.counted("lies", sent) == 1 })
	if n := wrote.Load(); n > 64<<20 {
		t.Errorf("%d bytes of the answer were taken", n)
	}
}

func TestAReceiverThatFailsForEverIsGivenUpAndTheResolutionIsStillTold(t *testing.T) {
	s := newScene(t)
	var good atomic.Bool
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if !good.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	s.start(func(c *Config) { c.Patience = 100 * time.Millisecond }, Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true})
	s.until("it to be given up", func() bool { return s.counted("hook", gaveUp) == 1 })
	told, err := s.store.ToldOf(t.Context(), loss().ID)
	for err == nil && len(told) == 0 { // the counter is ahead of the row
		told, err = s.store.ToldOf(t.Context(), loss().ID)
	}
	if err != nil || told[0].Outcome != gaveUp || !strings.Contains(told[0].Detail, "500") {
		t.Fatalf("%+v, %v", told, err)
	}
	good.Store(true)
	s.put(done())
	s.until("the resolution", func() bool { return s.counted("hook", sent) == 1 })
}

func TestARedirectInwardIsNotFollowed(t *testing.T) {
	s := newScene(t)
	inside := newReceiver(t, nil)
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, inside.URL+"/admin", http.StatusTemporaryRedirect)
	})
	s.start(nil, Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true})
	s.until("two failures", func() bool { return s.counted("hook", retried) >= 2 })
	if n := len(inside.all()); n > 0 {
		t.Fatalf("the address inside was called %d times", n)
	}
}

func TestAnAddressInsideIsRefusedWhenItIsDialledWhateverItsName(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	port := r.URL[strings.LastIndex(r.URL, ":"):]
	s.start(nil, Receiver{Name: "ip", Type: Webhook, URL: r.URL}, Receiver{Name: "name", Type: Webhook, URL: "http://localhost" + port},
		Receiver{Name: "mapped", Type: Webhook, URL: "http://[::ffff:127.0.0.1]" + port})
	for _, name := range []string{"ip", "name", "mapped"} {
		s.until("refusal of "+name, func() bool { return s.counted(name, refused) >= 1 })
	}
	if n := len(r.all()); n > 0 {
		t.Fatalf("it was called %d times", n)
	}
}

func TestOnlyAddressesOfTheOpenNetworkArePublic(t *testing.T) {
	for _, text := range []string{
		"127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1",
		"::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1", "fec0::1", "::10.0.0.1",
	} {
		if public(netip.MustParseAddr(text)) {
			t.Errorf("%s is called public", text)
		}
	}
	for _, text := range []string{"8.8.8.8", "93.184.216.34", "2606:4700::1111", "172.32.0.1", "::ffff:8.8.8.8"} {
		if !public(netip.MustParseAddr(text)) {
			t.Errorf("%s is not called public", text)
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address is called public")
	}
}

func TestASilenceMutesUntilItEndsAndHidesNothing(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	silence := store.Silence{ID: wire.UID{15: 9}, Stream: "flights", Starts: five, Ends: time.Now().Add(time.Hour), Author: "ada", Reason: "planned work"}
	if err := s.store.PutSilence(t.Context(), silence, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.start(nil, Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true})
	s.idle()
	if n := len(r.all()); n > 0 {
		t.Fatalf("called %d times in silence", n)
	}
	if open, err := s.store.Incidents(t.Context(), store.IncidentFilter{State: store.IncidentOpen}); err != nil || len(open) != 1 {
		t.Fatalf("the silence hides the incident: %v, %v", open, err)
	}
	silence.Ends, silence.EndedBy = time.Now(), "ada"
	if err := s.store.PutSilence(t.Context(), silence, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	s.until("the call after the silence", func() bool { return s.counted("hook", sent) == 1 })
}

func TestNobodyIsCalledOfAnIncidentThatDidNotStandYet(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	i := loss()
	i.Since, i.Version = time.Now(), 3
	s.put(i)
	s.start(func(c *Config) { c.Hold = time.Hour }, Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true})
	s.idle()
	if n := len(r.all()); n > 0 {
		t.Fatalf("called %d times", n)
	}
}

func TestAlertmanagerIsToldAgainWhileAnIncidentGoesOnAndThenOfItsEnd(t *testing.T) {
	s, r := newScene(t), newReceiver(t, nil)
	s.start(func(c *Config) { c.Resend = 50 * time.Millisecond }, Receiver{Name: "am", Type: Alertmanager, URL: r.URL + "/base", AllowPrivate: true})
	s.until("three calls", func() bool { return s.counted("am", sent) >= 3 })
	s.put(done())
	type alert struct {
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
	}
	last := func() (alert, string) {
		seen := r.all()
		var alerts []alert
		if err := json.Unmarshal(seen[len(seen)-1].body, &alerts); err != nil || len(alerts) != 1 {
			t.Fatalf("%v in %s", err, seen[len(seen)-1].body)
		}
		return alerts[0], seen[0].path
	}
	first, path := last()
	if path != "/base/api/v2/alerts" || first.Labels["stream"] != "flights" || first.Labels["alertname"] != "Rollcall_loss" || !first.StartsAt.Equal(five) {
		t.Errorf("%s %+v", path, first)
	}
	s.until("the end", func() bool {
		a, _ := last()
		return strings.HasPrefix(a.Annotations["summary"], "[RESOLVED]") && !a.EndsAt.After(time.Now())
	})
	s.until("it to be stored", func() bool {
		told, err := s.store.ToldOpen(t.Context(), "am", nil)
		return err == nil && len(told) == 0
	})
	calls := len(r.all())
	s.idle()
	if len(r.all()) != calls {
		t.Error("told again after the end")
	}
}

func TestATestSaysWhatCameBack(t *testing.T) {
	r := newReceiver(t, nil)
	came, err := Test(t.Context(), Receiver{Name: "hook", Type: Webhook, URL: r.URL, AllowPrivate: true}, five)
	if err != nil || came != "204 No Content" || !strings.Contains(string(r.all()[0].body), "[TEST]") {
		t.Fatalf("%q, %v", came, err)
	}
	bad := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such hook", http.StatusNotFound) })
	if _, err := Test(t.Context(), Receiver{Name: "hook", Type: Webhook, URL: bad.URL, AllowPrivate: true}, five); err == nil || !strings.Contains(err.Error(), "no such hook") {
		t.Fatalf("%v", err)
	}
}

func TestAReceiverThatCannotBeIsRefusedAtTheStart(t *testing.T) {
	for want, r := range map[string]Receiver{
		"name":     {Name: "two words", Type: Webhook, URL: "https://a.example"},
		"type":     {Name: "a", Type: "pager", URL: "https://a.example"},
		"url":      {Name: "a", Type: Webhook, URL: "ftp://a.example"},
		"password": {Name: "a", Type: Webhook, URL: "https://u:p@a.example"},
		"secret":   {Name: "a", Type: Alertmanager, URL: "https://a.example", SecretFile: "x"},
	} {
		if _, err := New(Deps{Registry: prometheus.NewRegistry()}, Config{Receivers: []Receiver{r}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	short := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(short, []byte("too short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, file := range map[string]string{"9 bytes": short, "read the secret file": short + ".missing"} {
		r := Receiver{Name: "a", Type: Webhook, URL: "https://a.example", SecretFile: file}
		if _, err := New(Deps{Registry: prometheus.NewRegistry()}, Config{Receivers: []Receiver{r}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	one := Receiver{Name: "a", Type: Webhook, URL: "https://a.example"}
	if _, err := New(Deps{Registry: prometheus.NewRegistry()}, Config{Receivers: []Receiver{one, one}}); err == nil {
		t.Error("two of one name are taken")
	}
}
