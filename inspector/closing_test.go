package inspector

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcallhq/rollcall/audit/wire"
	"github.com/rollcallhq/rollcall/internal/store"
)

func TestASourceThatAHopReportedCanBeClosed(t *testing.T) {
	f := newFixture(t)
	source, err := wire.ParseUID("0199f09c-1d2e-8abc-9def-012300000000")
	if err != nil {
		t.Fatal(err)
	}
	f.store.sources = []wire.UID{source}
	w := f.ask("POST", "/api/v1/streams/orders/sources/"+source.String()+"/close", `{"at":"2026-11-22T05:00:00Z","why":"the old client"}`)
	if w.Code != http.StatusOK || len(f.store.closings) != 1 || f.store.closings[0].ID != source || f.store.closings[0].Kind != store.CloseSource {
		t.Fatalf("%d %s, %+v", w.Code, w.Body, f.store.closings)
	}
}

// A lane that nobody ever stated holds its windows all the same, where the hop says that it has more lanes than were heard of.
func TestALaneThatWasNeverHeardOfCanBeClosedWhereTheHopHasLanes(t *testing.T) {
	for _, c := range []struct {
		name string
		hop  store.HopSummary
		want int
	}{
		{"it was stated", store.HopSummary{LaneFirst: map[string]int64{"orders/7": 1}}, http.StatusOK},
		{"others were stated", store.HopSummary{LaneFirst: map[string]int64{"orders/0": 1}}, http.StatusOK},
		{"only how many there are was stated", store.HopSummary{LaneCounts: map[uint32]int64{8: 1}}, http.StatusOK},
		{"in a later epoch", store.HopSummary{Epoch: 2, LaneCounts: map[uint32]int64{8: 1}}, http.StatusOK},
		{"the emitters are the lanes", store.HopSummary{LaneFirst: map[string]int64{"": 1}}, http.StatusNotFound},
		{"nothing was stated", store.HopSummary{}, http.StatusNotFound},
		{"another hop has lanes", store.HopSummary{Hop: "agent", LaneCounts: map[uint32]int64{8: 1}}, http.StatusNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			if c.hop.Hop == "" {
				c.hop.Hop = "sink"
			}
			f.store.hops = append(f.store.hops, c.hop)
			w := f.ask("POST", "/api/v1/streams/orders/lanes/close", `{"at":"2026-11-22T05:00:00Z","why":"x","hop":"sink","lane":"orders/7"}`)
			if w.Code != c.want {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, c.want)
			}
			var closed []string
			for _, closing := range f.store.closings {
				closed = append(closed, closing.Hop+" "+closing.Lane)
			}
			want := map[int][]string{http.StatusOK: {"sink orders/7"}}[c.want]
			if d := cmp.Diff(want, closed); d != "" {
				t.Error(d)
			}
		})
	}
}
