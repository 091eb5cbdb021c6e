package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/internal/certificate"
)

// door answers for the certificates of the hours of orders: each time with what stands next for the hour, the last again and again.
type door struct {
	mu    sync.Mutex
	hours map[string][]http.HandlerFunc
	asked []string
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	hour := r.PathValue("hour")
	d.asked = append(d.asked, r.Method+" "+hour)
	next := d.hours[hour]
	if len(next) > 1 {
		d.hours[hour] = next[1:]
	}
	d.mu.Unlock()
	if len(next) == 0 {
		problem(http.StatusNotFound, "hour "+hour+" of orders is not certified yet: it is settling")(w, r)
		return
	}
	next[0](w, r)
}

func (d *door) open(t *testing.T) *httptest.Server {
	return server(t, map[string]http.HandlerFunc{
		"GET /streams/orders/hours/{hour}/certificate": d.ServeHTTP, "POST /streams/orders/hours/{hour}/certificate": d.ServeHTTP,
	})
}

func envelopes(status int, text []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, status, json.RawMessage(text)) }
}

var (
	notYetCertified = problem(http.StatusNotFound, "hour 2026-11-22T05 of orders is not certified yet: it is settling")
	threeLost       = problem(http.StatusConflict, "hour 2026-11-22T05 of orders cannot be certified: 3 events are lost and not waived")
	takenBack       = problem(http.StatusGone, "the certificate of hour 2026-11-22T05 of orders was revoked at 2026-11-22T07:00:00Z: 3 lost")
)

func TestTheGateOfOneHourEndsByWhatTheServerSaysOfIt(t *testing.T) {
	good := newNotary(t).sign(5, certificate.Certify)
	for name, c := range map[string]struct {
		says http.HandlerFunc
		code int
		want string
	}{
		"certified":         {envelopes(http.StatusOK, good), Good, "orders  2026-11-22T05  certified      1"},
		"not yet":           {notYetCertified, Bad, "2026-11-22T05  not yet         it is settling"},
		"early":             {problem(http.StatusTooEarly, "it is settling"), Bad, "not yet"},
		"incomplete":        {threeLost, Bad, "not good"},
		"revoked":           {takenBack, Bad, "revoked"},
		"no envelope":       {envelopes(http.StatusOK, []byte(`{"payload":7}`)), CannotAsk, "the certificate of hour 2026-11-22T05 of orders cannot be read"},
		"the server is out": {problem(http.StatusServiceUnavailable, "the store cannot be reached"), CannotAsk, "the store cannot be reached"},
		"wrong":             {problem(http.StatusBadRequest, "path.stream: no name"), WrongUse, "path.stream: no name"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &door{hours: map[string][]http.HandlerFunc{"2026-11-22T05": {c.says}}}
			got := run(t, d.open(t), "gate", "orders", "2026-11-22T05")
			text := strings.ReplaceAll(got.out+got.failed, "hour 2026-11-22T05 of orders is not certified yet: it is", "it is")
			if got.code != c.code || !strings.Contains(text, c.want) || len(d.asked) != 1 {
				t.Errorf("exit code %d, asked %d times:\n%s", got.code, len(d.asked), text)
			}
		})
	}
}

func TestTheGateOfADayAsksForEachOfItsHours(t *testing.T) {
	n := newNotary(t)
	d := &door{hours: map[string][]http.HandlerFunc{}}
	for hour := range 24 {
		d.hours[fmt.Sprintf("2026-11-22T%02d", hour)] = []http.HandlerFunc{envelopes(http.StatusOK, n.sign(hour, certificate.Certify))}
	}
	s := d.open(t)
	if got := run(t, s, "gate", "orders", "2026-11-22"); got.code != Good || len(d.asked) != 24 || d.asked[23] != "GET 2026-11-22T23" {
		t.Errorf("exit code %d: %s, asked %v", got.code, got.failed, d.asked)
	}
	d.asked = nil
	if got := run(t, s, "gate", "orders", "2026-11-22", "--hours", "05..07"); got.code != Good || !cmp.Equal(d.asked, []string{"GET 2026-11-22T05", "GET 2026-11-22T06", "GET 2026-11-22T07"}) {
		t.Errorf("exit code %d: %s, asked %v", got.code, got.failed, d.asked)
	}
	delete(d.hours, "2026-11-22T06")
	if got := run(t, s, "gate", "orders", "2026-11-22", "--hours", "05..07"); got.code != Bad || strings.Count(got.out, "certified      ") != 2 {
		t.Errorf("one of three is not certified: exit code %d:\n%s", got.code, got.out)
	}
}

func TestWhatIsNoHourIsWrongUseAndAsksNobody(t *testing.T) {
	d := &door{}
	s := d.open(t)
	for _, c := range []struct {
		args, says string
	}{
		{"yesterday", `"yesterday" is neither an hour in UTC, as 2026-11-22T05, nor a day`}, {"2026-11-22T24", "neither an hour"}, {"2026-11-31", "neither an hour"},
		{"2026-11-22T05:00:00Z", "neither an hour"}, {"2026-11-22T05 --hours 05..11", "--hours goes with a day"},
		{"2026-11-22 --hours 5-11", `--hours "5-11": write the first and the last hour of the day, 00 to 23, as 05..11`},
		{"2026-11-22 --hours 11..05", "write the first and the last"}, {"2026-11-22 --hours 00..24", "write the first and the last"}, {"2026-11-22 --hours ..11", "write the first"},
	} {
		for _, command := range []string{"gate", "certify"} {
			got := run(t, s, append([]string{command, "orders"}, strings.Fields(c.args)...)...)
			if got.code != WrongUse || !strings.Contains(got.failed, c.says) {
				t.Errorf("%s %s: exit code %d: %s", command, c.args, got.code, got.failed)
			}
		}
	}
	for _, args := range []string{"--wait=-1s", "--wait 1m --every 100ms"} {
		if got := run(t, s, append([]string{"gate", "orders", "2026-11-22T05"}, strings.Fields(args)...)...); got.code != WrongUse || !strings.Contains(got.failed, "--every must be 1s or more") {
			t.Errorf("%s: exit code %d: %s", args, got.code, got.failed)
		}
	}
	if got := run(t, s, "certify", "orders", "2026-11-22", "--out", "c.json"); got.code != WrongUse || !strings.Contains(got.failed, "--out takes the certificate of one hour; 24 are asked for") {
		t.Errorf("exit code %d: %s", got.code, got.failed)
	}
	if len(d.asked) > 0 {
		t.Errorf("asked %v", d.asked)
	}
}

func TestTheGateWaitsThroughWhatMayPassUntilTheHourIsCertified(t *testing.T) {
	good := newNotary(t).sign(5, certificate.Certify)
	cut := func(w http.ResponseWriter, _ *http.Request) { // the server goes away while it is asked
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = c.Close()
	}
	d := &door{hours: map[string][]http.HandlerFunc{"2026-11-22T05": {
		threeLost, cut, problem(http.StatusServiceUnavailable, "the store cannot be reached"), envelopes(http.StatusOK, good),
	}}}
	got := run(t, d.open(t), "gate", "orders", "2026-11-22T05", "--wait", "5m", "--every", "1s")
	if got.code != Good || !strings.Contains(got.out, "certified") || len(d.asked) != 4 {
		t.Errorf("exit code %d, asked %d times: %s%s", got.code, len(d.asked), got.out, got.failed)
	}
}

func TestTheGateEndsWhenItWaitedLongEnough(t *testing.T) {
	d := &door{}
	got := run(t, d.open(t), "gate", "orders", "2026-11-22T05", "--wait", "1500ms", "--every", "1s")
	if got.code != Bad || !strings.Contains(got.out, "not yet") || len(d.asked) != 3 {
		t.Errorf("exit code %d, asked %d times: %s%s", got.code, len(d.asked), got.out, got.failed)
	}
	s := d.open(t)
	s.Close()
	if got := run(t, s, "gate", "orders", "2026-11-22T05", "--wait", "1500ms", "--every", "1s"); got.code != CannotAsk || !strings.Contains(got.failed, "nobody listens") {
		t.Errorf("nobody there: exit code %d: %s", got.code, got.failed)
	}
}

func TestTheGateDoesNotWaitForWhatItIsToldNotTo(t *testing.T) {
	for name, c := range map[string]struct {
		says http.HandlerFunc
		code int
		args []string
	}{
		"incomplete": {threeLost, Bad, []string{"--fail-fast"}}, "revoked": {takenBack, Bad, []string{"--fail-fast"}},
		"no token": {problem(http.StatusUnauthorized, "a token is needed"), CannotAsk, nil}, "a token of no use": {problem(http.StatusForbidden, "needs the role viewer"), CannotAsk, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := &door{hours: map[string][]http.HandlerFunc{"2026-11-22T05": {c.says}}}
			got := run(t, d.open(t), append([]string{"gate", "orders", "2026-11-22T05", "--wait", "1h"}, c.args...)...)
			if got.code != c.code || len(d.asked) != 1 {
				t.Errorf("exit code %d, asked %d times: %s%s", got.code, len(d.asked), got.out, got.failed)
			}
		})
	}
}

func TestProgramsAreToldOfEachHourWithItsCertificate(t *testing.T) {
	good := newNotary(t).sign(5, certificate.Certify)
	d := &door{hours: map[string][]http.HandlerFunc{"2026-11-22T05": {envelopes(http.StatusOK, good)}, "2026-11-22T06": {takenBack}}}
	got := run(t, d.open(t), "gate", "orders", "2026-11-22", "--hours", "05..06", "--output", "json")
	var all []hourAnswer
	if err := json.Unmarshal([]byte(got.out), &all); err != nil || len(all) != 2 || got.code != Bad {
		t.Fatalf("%v, exit code %d: %s%s", err, got.code, got.out, got.failed)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, all[0].Cert); err != nil {
		t.Fatal(err)
	}
	entry, err := certificate.Read(compact.Bytes())
	if err != nil || all[0].Answer != "certified" || all[0].Number != 1 || entry.Hash != certificate.HashOf(good) {
		t.Errorf("%v: %+v", err, all[0])
	}
	if all[1].Answer != "revoked" || !strings.Contains(all[1].Reason, "3 lost") || all[1].Cert != nil || all[1].Number != 0 {
		t.Errorf("%+v", all[1])
	}
}

func TestCertifyWritesWhatWasIssuedAndSaysWhatCouldNotBe(t *testing.T) {
	good := newNotary(t).sign(5, certificate.Certify)
	d := &door{hours: map[string][]http.HandlerFunc{"2026-11-22T05": {envelopes(http.StatusCreated, good)}, "2026-11-22T06": {threeLost}}}
	s := d.open(t)
	file := filepath.Join(t.TempDir(), "c.json")
	got := run(t, s, "certify", "orders", "2026-11-22T05", "--out", file)
	written, err := os.ReadFile(file)
	if got.code != Good || err != nil || string(written) != string(good)+"\n" || d.asked[0] != "POST 2026-11-22T05" {
		t.Errorf("exit code %d, %v: %s%s", got.code, err, got.out, got.failed)
	}
	other := filepath.Join(t.TempDir(), "c.json")
	got = run(t, s, "certify", "orders", "2026-11-22T06", "--out", other)
	if _, err := os.Stat(other); got.code != Bad || err == nil || !strings.Contains(got.out, "3 events are lost and not waived") {
		t.Errorf("exit code %d, %v: %s%s", got.code, err, got.out, got.failed)
	}
	if got := run(t, s, "certify", "orders", "2026-11-22", "--hours", "05..07"); got.code != Bad || strings.Count(got.out, "\n") != 4 || !strings.Contains(got.out, "it is settling") {
		t.Errorf("three hours: exit code %d: %s%s", got.code, got.out, got.failed)
	}
	d.hours["2026-11-22T05"] = []http.HandlerFunc{problem(http.StatusNotImplemented, "this server has no keys to sign certificates with: give it --keys")}
	if got := run(t, s, "certify", "orders", "2026-11-22T05"); got.code != CannotAsk || !strings.Contains(got.failed, "give it --keys") {
		t.Errorf("without keys: exit code %d: %s", got.code, got.failed)
	}
}
