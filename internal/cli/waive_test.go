package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/inspector/api"
)

const waiversOfFive = "/streams/orders/hours/2026-11-22T05/waivers"

func aWaiver() api.Waiver {
	return api.Waiver{
		ID: incidentID, Stream: "orders", Hour: "2026-11-22T05", Edge: "app..agent", Kind: "lost", Scope: "uids", Reason: "a disk died", Ticket: "OPS-1", Who: "ada",
		MadeAt: minute, Count: 3, Windows: []api.WaivedWindow{{Start: minute, Count: 3}},
	}
}

func TestWaiveSendsTheNamesOfAFileAndSaysWhatIsCovered(t *testing.T) {
	var asked api.WaiverRequest
	s := server(t, map[string]http.HandlerFunc{"POST " + waiversOfFive: func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		answer(w, http.StatusCreated, aWaiver())
	}})
	file := filepath.Join(t.TempDir(), "uids.txt")
	if err := os.WriteFile(file, []byte("order-1\n\norder-2\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := run(t, s, "waive", "orders", "2026-11-22T05", "--edge", "app..agent", "--kind", "lost", "--uid", "order-3", "--uids-from", file, "--reason", "a disk died", "--ticket", "OPS-1")
	if got.code != Good || got.out != "Waived in orders, hour 2026-11-22T05, edge app..agent: 3 lost events in 1 window, by ada: a disk died\n" {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.failed)
	}
	want := api.WaiverRequest{Edge: "app..agent", Kind: "lost", UIDs: []string{"order-3", "order-1", "order-2"}, Reason: "a disk died", Ticket: "OPS-1"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

func TestWaivingWhatIsNotSoIsABadAnswer(t *testing.T) {
	s := server(t, map[string]http.HandlerFunc{
		"POST " + waiversOfFive: problem(http.StatusUnprocessableEntity, "1 of 1 UIDs are not lost", api.Fault{Path: "body.uids[0]", Message: "is not lost there"}),
	})
	got := run(t, s, "waive", "orders", "2026-11-22T05", "--edge", "app..agent", "--kind", "lost", "--uid", "x", "--reason", "y")
	if got.code != Bad || !strings.Contains(got.failed, "body.uids[0]: is not lost there") {
		t.Errorf("exit code %d: %s", got.code, got.failed)
	}
	if got := run(t, s, "waive", "orders", "yesterday", "--edge", "app..agent", "--kind", "lost", "--all", "--reason", "y"); got.code != WrongUse {
		t.Errorf("an hour that is none: exit code %d: %s", got.code, got.failed)
	}
}

func TestWaiversAreListedWithWhoAndWhy(t *testing.T) {
	s := server(t, map[string]http.HandlerFunc{"GET /streams/orders/waivers": pages(aWaiver()), "GET " + waiversOfFive: pages[api.Waiver]()})
	got := run(t, s, "waive", "list", "orders")
	want := "HOUR           EDGE        KIND  COUNT  WINDOWS  WHO  MADE AT               REASON\n" +
		"2026-11-22T05  app..agent  lost      3        1  ada  2026-11-22T05:09:00Z  a disk died (OPS-1)\n"
	if diff := cmp.Diff(want, got.out); diff != "" || got.code != Good {
		t.Errorf("exit code %d\n%s", got.code, diff)
	}
	if got := run(t, s, "waive", "list", "orders", "2026-11-22T05"); got.out != "Nothing of orders was waived.\n" {
		t.Errorf("of an hour: %s%s", got.out, got.failed)
	}
}

func TestADeclaredReplayIsToldWithItsEpoch(t *testing.T) {
	e := api.Epoch{Epoch: 2, From: minute, To: minute.Add(time.Minute), Why: "a queue was cut", Who: "ada", MadeAt: minute}
	s := server(t, map[string]http.HandlerFunc{
		"POST /streams/orders/epochs": func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusCreated, e) },
		"GET /streams/orders/epochs":  pages(e),
	})
	got := run(t, s, "epoch", "declare", "orders", "--from", "2026-11-22T05:09:00Z", "--to", "2026-11-22T05:10:00Z", "--why", "a queue was cut")
	if got.code != Good || !strings.HasPrefix(got.out, "Epoch 2 of stream orders is declared for windows from 2026-11-22T05:09:00Z to 2026-11-22T05:10:00Z") {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.failed)
	}
	got = run(t, s, "epoch", "list", "orders")
	want := "EPOCH  FROM                  TO                    WHO  MADE AT               WHY\n" +
		"    2  2026-11-22T05:09:00Z  2026-11-22T05:10:00Z  ada  2026-11-22T05:09:00Z  a queue was cut\n"
	if diff := cmp.Diff(want, got.out); diff != "" || got.code != Good {
		t.Errorf("exit code %d\n%s", got.code, diff)
	}
}

func TestReportsAreSentUnderTheEpochOfAReplay(t *testing.T) {
	var sent []byte
	s := server(t, map[string]http.HandlerFunc{"POST /reports": func(w http.ResponseWriter, r *http.Request) {
		sent, _ = io.ReadAll(r.Body)
		answer(w, http.StatusAccepted, api.Accepted{Accepted: 1})
	}})
	got := runWith(t, Env{}, reportText("", ""), "report", "-", "--epoch", "3", "--server", s.URL)
	batch, err := wire.DecodeProto(sent, wire.DefaultLimits())
	if got.code != Good || err != nil || len(batch.Reports) != 1 || batch.Reports[0].Epoch != 3 || batch.Reports[0].Windows[0].Sources[0].Rolls[wire.Seen].GetCardinality() != 100 {
		t.Errorf("exit code %d, %v: %+v", got.code, err, batch)
	}
}

func TestTheWatermarkIsToldWithWhatHoldsIt(t *testing.T) {
	before, held := minute.Add(-time.Minute), &api.Blocked{Window: minute, Edge: "app..agent", State: "incomplete", Reasons: []api.Reason{{Text: "2 of 9 are missing"}}}
	s := server(t, map[string]http.HandlerFunc{
		"GET /streams/orders/watermark": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusOK, api.Watermark{Watermark: &minute, BlockedBy: held})
		},
		"GET /streams/orders/watermark/history": pages(
			api.WatermarkMove{At: minute, Watermark: minute, Previous: &before, Reason: "advanced"},
			api.WatermarkMove{At: minute, Watermark: before, Previous: &minute, Back: true, Reason: "late-data", BlockedBy: held}),
	})
	got := run(t, s, "watermark", "orders")
	if want := "orders is complete, or waived, until 2026-11-22T05:09:00Z; window 2026-11-22T05:09:00Z is incomplete on app..agent: 2 of 9 are missing.\n"; got.out != want || got.code != Bad {
		t.Errorf("exit code %d: %s%s", got.code, got.out, got.failed)
	}
	got = run(t, s, "watermark", "orders", "--history")
	want := "AT                    WATERMARK             BY     WHY        BEFORE\n" +
		"2026-11-22T05:09:00Z  2026-11-22T05:09:00Z  1m0s   advanced   -\n" +
		"2026-11-22T05:09:00Z  2026-11-22T05:08:00Z  -1m0s  late-data  app..agent 2026-11-22T05:09:00Z incomplete\n"
	if diff := cmp.Diff(want, got.out); diff != "" || got.code != Good {
		t.Errorf("exit code %d\n%s%s", got.code, diff, got.failed)
	}
}

func TestWhatIsWaivedIsShownAndDoesNotMakeTheAnswerBad(t *testing.T) {
	for _, c := range []struct {
		state string
		good  bool
		code  int
	}{{"incomplete", true, Good}, {"unknown", true, Good}, {"incomplete", false, Bad}, {"unknown", false, Bad}, {"complete", true, Good}} {
		waived := &api.Waived{Lost: 2, Unknown: 1}
		w := window(minute, "app..agent", c.state, func(w *api.Window) { w.Lost, w.Waived, w.Good = 3, waived, c.good })
		s := server(t, map[string]http.HandlerFunc{
			"GET /streams/orders/windows": pages(good(), w), "GET /streams": pages(api.Stream{Stream: "orders", Last: []api.Window{good(), w}}),
			"GET /hours": pages(api.Hour{Stream: "orders", Hour: "2026-11-22T05", State: c.state, Counts: api.Counts{Lost: 3, Waived: waived}, Good: c.good}),
		})
		for _, args := range [][]string{{"hours"}, {"windows", "orders"}, {"streams"}} {
			got := run(t, s, args...)
			if got.code != c.code {
				t.Errorf("%s, good %v: %s exits %d, want %d", c.state, c.good, args[0], got.code, c.code)
			}
			if args[0] != "streams" && !strings.Contains(got.out, "waived 3") {
				t.Errorf("%s does not show what is waived: %s", args[0], got.out)
			}
		}
	}
}
