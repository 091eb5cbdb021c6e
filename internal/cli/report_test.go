package cli

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
)

// reportText is a good report of now, with one change made to its text.
func reportText(old, replacement string) string {
	start := time.Now().UTC().Truncate(time.Minute)
	text := fmt.Sprintf(`{"reports":[{"stream":"orders","hop":"app","emitter":"0199f0a0-1d2e-8abc-9def-012300000000","number":1,
 "sentAt":"%s","state":"RUNNING","windows":[{"start":"%s","seconds":60,
 "sources":[{"source":"0199f09c-1d2e-8abc-9def-012300000000","seen":{"ranges":[[0,99]]}}]}]}]}`,
		start.Format(time.RFC3339), start.Format(time.RFC3339))
	return strings.Replace(text, old, replacement, 1)
}

func TestReportFaultsAreToldWithTheirPathAndNothingIsSent(t *testing.T) {
	s := server(t, map[string]http.HandlerFunc{"POST /reports": func(http.ResponseWriter, *http.Request) { t.Error("it was sent") }})
	for name, c := range map[string]struct{ text, says string }{
		"unknown key":       {reportText(`"hop"`, `"hops":1,"hop"`), "reports[0].hops"},
		"misaligned window": {reportText(`"seconds":60`, `"seconds":61`), "reports[0].windows[0].seconds"},
		"missing key":       {reportText(`"number":1,`, ``), "reports[0].number"},
		"range backwards":   {reportText(`[0,99]`, `[99,0]`), "reports[0].windows[0].sources[0].seen.ranges[0]"},
		"not JSON":          {"{", "standard input is not a report"},
		"nothing":           {"", "standard input is not a report"},
		"noise":             {"\x00\x01 noise", "standard input is not a report"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runWith(t, Env{}, c.text, "report", "-", "--server", s.URL)
			if got.code != Bad || !strings.Contains(got.failed, c.says) {
				t.Errorf("exit code %d, %q, want it to say %q", got.code, got.failed, c.says)
			}
			asked := runWith(t, Env{}, c.text, "report", "-", "--output", "json", "--server", s.URL)
			if asked.code != Bad || !strings.Contains(asked.out, `"errors"`) || asked.failed != "" {
				t.Errorf("as JSON: exit code %d, %q, %q", asked.code, asked.out, asked.failed)
			}
		})
	}
}

func TestCheckAsksNoServer(t *testing.T) {
	got := runWith(t, Env{}, reportText("", ""), "report", "-", "--check", "--server", "http://127.0.0.1:1")
	if got.code != Good || !strings.Contains(got.out, "1 report good") {
		t.Errorf("exit code %d, %q, %q", got.code, got.out, got.failed)
	}
}

func TestGoodReportIsSentUnchangedInEitherForm(t *testing.T) {
	batch, err := wire.DecodeJSON([]byte(reportText("", "")), wire.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	protobuf, err := wire.EncodeProto(batch)
	if err != nil {
		t.Fatal(err)
	}
	for contentType, body := range map[string]string{typeJSON: reportText("", ""), typeProtobuf: string(protobuf)} {
		s := server(t, map[string]http.HandlerFunc{"POST /reports": func(w http.ResponseWriter, r *http.Request) {
			sent, _ := io.ReadAll(r.Body)
			if string(sent) != body || r.Header.Get("Content-Type") != contentType {
				t.Errorf("sent as %s: %q", r.Header.Get("Content-Type"), sent)
			}
			answer(w, http.StatusOK, api.Accepted{Accepted: 1})
		}})
		path := filepath.Join(t.TempDir(), "report")
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := run(t, s, "report", path); got.code != Good || got.out != "1 report stored.\n" {
			t.Errorf("%s: exit code %d, %q, %q", contentType, got.code, got.out, got.failed)
		}
	}
}

func TestRefusedReportIsABadAnswerAndAServerAwayIsNone(t *testing.T) {
	for status, code := range map[int]int{400: Bad, 413: Bad, 409: Bad, 401: CannotAsk, 429: CannotAsk, 503: CannotAsk} {
		s := server(t, map[string]http.HandlerFunc{"POST /reports": problem(status, "the server's word")})
		got := runWith(t, Env{}, reportText("", ""), "report", "-", "--server", s.URL)
		if got.code != code || !strings.Contains(got.failed, "the server's word") {
			t.Errorf("status %d: exit code %d, %q", status, got.code, got.failed)
		}
	}
	if got := runWith(t, Env{}, "", "report", filepath.Join(t.TempDir(), "none")); got.code != WrongUse {
		t.Errorf("a file that is not there: exit code %d", got.code)
	}
}
