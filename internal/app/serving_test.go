package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/rollcallhq/rollcall/internal/testenv"
)

// serving is a server with everything embedded, until the test ends.
func serving(t *testing.T) *App {
	t.Helper()
	t.Setenv("ROLLCALL_LIBCHDB", testenv.Library(t))
	a, err := Start(t.Context(), Config{Listen: "127.0.0.1:0", Data: t.TempDir(), Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return a
}

// said is a report of one emitter on orders, with one window of one source. JSON stands in seen, a list of ranges, in source, further members of the
// source, and in window, further members of the window; each of these begins with a comma where there is one.
type said struct {
	hop, after, emitter, host string
	at                        time.Time // sentAt and the watermark of its one lane
	seen, source, window      string
}

// reports is the body of a request with these reports on the window that begins at start.
func reports(start time.Time, all ...said) string {
	texts := make([]string, len(all))
	for i, s := range all {
		after := ""
		if s.after != "" {
			after = fmt.Sprintf("%q", s.after)
		}
		at := s.at.Format(time.RFC3339)
		texts[i] = fmt.Sprintf(`{"stream":"orders","hop":%q,"after":[%s],"emitter":"0199f0a0-1d2e-4abc-9def-00000000000%s","host":%q,"number":1,"sentAt":%q,"state":"RUNNING",`+
			`"lanes":{"":%q},"windows":[{"start":%q,"seconds":60%s,"sources":[{"source":"0199f09c-1d2e-8abc-9def-012300000000","seen":{"ranges":[%s]}%s}]}]}`,
			s.hop, after, s.emitter, s.host, at, at, start.Format(time.RFC3339), s.window, s.seen, s.source)
	}
	return `{"reports":[` + strings.Join(texts, ",") + `]}`
}
