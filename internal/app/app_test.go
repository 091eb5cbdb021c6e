package app

import (
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/rollcallhq/rollcall/internal/testenv"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(serveVariable); text != "" {
		os.Exit(serveChild(text))
	}
	os.Exit(testenv.Main(m))
}

func TestAServerWithEverythingEmbeddedAnswersAndStops(t *testing.T) {
	t.Setenv("ROLLCALL_LIBCHDB", testenv.Library(t))
	a, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", Data: t.TempDir(), Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	took := until(t, "it is ready", func() bool { status, _ := (&process{url: a.URL()}).ask("/readyz"); return status == http.StatusOK })
	t.Logf("ready %s after it answered", took)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/openapi.yaml": 200, "/api/v1/streams": 200, "/api/v1/status": 200, "/api/v1/nothing": 404} {
		answer, err := http.Get(a.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s answers %d, want %d", path, answer.StatusCode, want)
		}
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := http.Get(a.URL() + "/healthz"); err == nil {
		t.Fatal("it still answers after it stopped")
	}
}

func TestWithoutTokensItListensOnLoopbackOnly(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:8080", "nonsense"} {
		_, err := Start(t.Context(), Config{Listen: listen, Data: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), listen) {
			t.Errorf("%s: error %v does not name the address", listen, err)
		}
	}
}
