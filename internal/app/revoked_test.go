package app

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/cli"
	"github.com/rollcallhq/rollcall/internal/store"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// gated is a server that certifies hours by itself, and the hour asked about, which has ended long ago.
type gated struct {
	*App
	t      *testing.T
	db     *sql.DB
	hour   time.Time
	now    time.Time
	number int // of the reports
	public string
	told   <-chan api.CertificateEvent
}

func newGated(t *testing.T) *gated {
	t.Helper()
	addr, database := testenv.ClickHouse(t)
	t.Setenv("ROLLCALL_LIBCHDB", testenv.Library(t))
	dir := t.TempDir()
	a, err := Start(t.Context(), Config{
		Listen: "127.0.0.1:0", Data: dir, Version: "test", Log: slog.New(slog.DiscardHandler),
		ClickHouse: store.Config{Addrs: []string{addr}, Database: database, User: "default"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	db, err := sql.Open("clickhouse", "clickhouse://"+addr+"/"+database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	now := time.Now().UTC()
	g := &gated{App: a, t: t, db: db, now: now, hour: now.Add(-3 * time.Hour).Truncate(time.Hour)}
	_, pem := asked(t, a, "keys", "public", "--keys", filepath.Join(dir, "keys"))
	g.public = g.file("public.pem", pem)
	g.told = g.listen()
	return g
}

func (g *gated) file(name, content string) string {
	g.t.Helper()
	path := filepath.Join(g.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

// listen passes on what the live stream tells of certificates.
func (g *gated) listen() <-chan api.CertificateEvent {
	g.t.Helper()
	ask, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, g.URL()+"/api/v1/stream", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(ask)
	if err != nil || answer.StatusCode != http.StatusOK {
		g.t.Fatalf("live stream: %v", err)
	}
	told := make(chan api.CertificateEvent, 100)
	go func() {
		defer answer.Body.Close()
		certificate := false
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			data, is := strings.CutPrefix(lines.Text(), "data: ")
			var event api.CertificateEvent
			if is && certificate && json.Unmarshal([]byte(data), &event) == nil {
				told <- event
			}
			certificate = lines.Text() == "event: certificate"
		}
	}()
	return told
}

// say reports what the app, and the sink after it, saw of the hour's first minute, as ranges.
func (g *gated) say(app, sink string) {
	g.t.Helper()
	g.number++
	at := g.now.Add(time.Duration(g.number-60) * time.Second)
	if g.number == 1 { // they are there when the hour begins
		at = g.hour
	}
	body := reports(g.hour,
		said{hop: "app", emitter: "1", host: "web-17", seen: app, at: at}, said{hop: "sink", after: "app", emitter: "2", host: "lake-1", seen: sink, at: at.Add(30 * time.Second)})
	post(g.t, g.App, "/reports", strings.ReplaceAll(body, `"number":1`, fmt.Sprintf(`"number":%d`, g.number)))
}

// gate asks for the certificate of the hour until the answer has a status, and returns the answer.
func (g *gated) gate(status int) string {
	g.t.Helper()
	var body []byte
	until(g.t, fmt.Sprintf("the gate answers %d", status), func() bool {
		answer, err := http.Get(g.URL() + "/api/v1/streams/orders/hours/" + g.hour.Format("2006-01-02T15") + "/certificate")
		if err != nil {
			g.t.Fatal(err)
		}
		defer answer.Body.Close()
		body, _ = io.ReadAll(answer.Body)
		return answer.StatusCode == status
	})
	return string(body)
}

// wantTold holds that the next event of the hour is of an action, and that the incident of the revocation, if there is to be one, is in a state.
// Other hours are certified too.
func (g *gated) wantTold(action, reason, incident string) {
	g.t.Helper()
	limit := time.After(time.Minute)
	for found := false; !found; {
		select {
		case event := <-g.told:
			if found = event.Hour == g.hour.Format("2006-01-02T15"); found && (event.Action != action || !strings.HasPrefix(event.Reason, reason)) {
				g.t.Errorf("the live stream tells of %+v, want %s, %s", event, action, reason)
			}
		case <-limit:
			g.t.Fatalf("the live stream does not tell of %s, %s", action, reason)
		}
	}
	until(g.t, "the incident is "+incident, func() bool {
		var list api.Page[api.Incident]
		ask(g.t, g.App, "/api/v1/incidents", &list)
		state := ""
		for _, i := range list.Items {
			if i.Cause == string(store.CauseRevoked) {
				state = i.State
			}
		}
		return state == incident
	})
}

func (g *gated) verify(envelope string, code int, says string) {
	g.t.Helper()
	got, text := asked(g.t, g.App, "verify", g.file("cert.json", envelope), "--key", g.public, "--chain")
	if got != code || !strings.Contains(text, says) {
		g.t.Errorf("exit code %d, want %d, and that it says %q:\n%s", got, code, says, text)
	}
}

// behind changes what is stored behind the server's back.
func (g *gated) behind(statement string) {
	g.t.Helper()
	if _, err := g.db.ExecContext(g.t.Context(), statement); err != nil {
		g.t.Fatalf("%s: %v", statement, err)
	}
}

// An hour is certified by policy, an event comes late and is lost, and is found again: the gate, the live stream, the incident and the verifier all
// say so. What is changed behind the server's back is named.
func TestACertifiedHourThatLosesAnEventIsTakenBackUntilItIsFilled(t *testing.T) {
	g := newGated(t)
	g.say("[0,4]", "[0,3]")
	g.say("[5,9]", "[4,9]")
	put(t, g.App, "/streams/orders", `{"edges":["app..sink"],"certify":{"auto":true}}`)
	first := g.gate(http.StatusOK)
	g.wantTold("certify", "", "")
	g.verify(first, cli.Good, "what 2 hops took over is what was signed")

	g.say("[0,10]", "[0,9]")
	if body := g.gate(http.StatusGone); !strings.Contains(body, "was revoked at") || !strings.Contains(body, ": 1 lost") {
		t.Errorf("the gate says %s", body)
	}
	g.wantTold("revoke", "1 lost", store.IncidentOpen)
	g.verify(first, cli.Bad, "revoked")

	g.say("[0,10]", "[0,10]")
	again := g.gate(http.StatusOK)
	g.wantTold("supersede", "the hour is good again", store.IncidentResolved)
	g.verify(again, cli.Good, "what 2 hops took over is what was signed")
	g.verify(first, cli.Bad, "supersede")

	g.behind(`INSERT INTO window_rolls SELECT stream, start, source, hop, epoch, kind, groupBitmapState(toUInt32(77)), 1 FROM window_rolls
		WHERE hop = 'sink' AND kind = 'seen' GROUP BY stream, start, source, hop, epoch, kind`)
	g.verify(again, cli.Bad, "hop sink took over 12 events, and 11 were signed")
	for _, envelope := range []string{again, first} {
		e, err := certificate.Read([]byte(strings.TrimSpace(envelope)))
		if err != nil {
			t.Fatal(err)
		}
		g.behind(fmt.Sprintf("ALTER TABLE certificates DELETE WHERE number >= %d SETTINGS mutations_sync = 1", e.Number))
		g.verify(again, cli.Bad, fmt.Sprintf("entry %d (hour %s) is missing in the store", e.Number, e.Hour))
	}
}

func put(t *testing.T, a *App, path, body string) {
	t.Helper()
	ask, err := http.NewRequestWithContext(t.Context(), http.MethodPut, a.URL()+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	ask.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode >= 300 {
		t.Fatalf("%d %s", answer.StatusCode, text)
	}
}
