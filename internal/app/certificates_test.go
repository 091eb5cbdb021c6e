package app

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/inspector/api"
	"github.com/rollcallhq/rollcall/internal/certificate"
	"github.com/rollcallhq/rollcall/internal/cli"
	"github.com/rollcallhq/rollcall/internal/testenv"
)

// asked runs a command of the command line against a server.
func asked(t *testing.T, a *App, args ...string) (code int, text string) {
	t.Helper()
	var out bytes.Buffer
	code = cli.Run(t.Context(), append([]string{"--server", a.URL()}, args...), cli.Env{Version: "test", Stdin: &out, Stdout: &out, Stderr: &out})
	return code, out.String()
}

func startHere(t *testing.T, dir string) *App {
	t.Helper()
	a, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", Data: dir, Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A server makes its key, certifies an hour, and who has the public key can hold that against everything, also after a restart.
func TestACertificateIsVerifiedAgainstAServerUntilItsHourChanges(t *testing.T) {
	t.Setenv("ROLLCALL_LIBCHDB", testenv.Library(t))
	dir := t.TempDir()
	a := startHere(t, dir)
	defer func() { _ = a.Stop(context.WithoutCancel(t.Context())) }()
	now := time.Now().UTC()
	start := now.Truncate(time.Hour).Add(-61 * time.Minute) // the last window of an hour: of those before the stream was not known
	hour := certificate.HourOf(start)
	post(t, a, "/reports", checked(start, now))
	var digests api.Digests
	ask(t, a, "/api/v1/streams/orders/hours/"+hour.String()+"/digests", &digests)
	if len(digests.Hops) != 2 || digests.Hops[0].Hop != "app" || digests.Hops[0].Events != 10 || digests.Hops[0].Digest != digests.Hops[1].Digest {
		t.Fatalf("%+v", digests)
	}
	setEdges(t, a, "app..sink")
	cert, public := filepath.Join(dir, "cert.json"), filepath.Join(dir, "public.pem")
	untilAsked(t, a, cli.Good, "certified", "certify", "orders", hour.String(), "--out", cert)
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	_, pem := asked(t, a, "keys", "public", "--keys", filepath.Join(dir, "keys"))
	if err := os.WriteFile(public, []byte(pem), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, text := asked(t, a, "verify", cert, "--key", public, "--chain"); code != cli.Good || !strings.Contains(text, "what 2 hops took over is what was signed") {
		t.Fatalf("exit code %d:\n%s", code, text)
	}
	if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}

	again := startHere(t, dir)
	defer func() { _ = again.Stop(context.WithoutCancel(t.Context())) }()
	if code, text := asked(t, again, "verify", cert, "--key", public, "--chain"); code != cli.Good {
		t.Fatalf("after a restart: exit code %d:\n%s", code, text)
	}
	var list api.Page[api.Certificate]
	ask(t, again, "/api/v1/streams/orders/certificates", &list)
	if len(list.Items) != 1 || list.Items[0].Hour != hour.String() || string(list.Items[0].Envelope)+"\n" != string(text) || list.Items[0].Standing != "certified" {
		t.Errorf("%+v", list)
	}
	var keys api.Page[api.Key]
	if ask(t, again, "/api/v1/keys", &keys); len(keys.Items) != 1 || keys.Items[0].Public != pem || keys.Items[0].ID != list.Items[0].KeyID {
		t.Errorf("%+v", keys)
	}
	late := strings.ReplaceAll(strings.Replace(checked(start, now), "[[0,9]]", "[[0,10]]", 1), `"number":1`, `"number":2`)
	post(t, again, "/reports", late)
	untilAsked(t, again, cli.Bad, "standing: revoked by entry 2: 1 lost", "verify", cert, "--key", public, "--chain")
}
